"""What a run on own data takes from its network, and what it must be told."""

import sys

import pytest
from torch import nn

from longtail.models import BACKBONES, InputConfig
from longtail.recipes.own_data import features, scratch
from longtail.runs import RunFolder
from longtail.training import OwnConfig
from longtail.training.stored_config import stored_config

GIVEN = {"size": 24, "crop_pct": 1.0, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


class Particular(nn.Module):
    """A backbone that says what its images should be."""

    num_features = 4
    input_config = InputConfig(size=(40, 40), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), crop_pct=0.875)


@pytest.fixture(autouse=True)
def particular(monkeypatch):
    monkeypatch.setitem(BACKBONES, "particular", Particular)


def test_open_settings_are_taken_from_the_network():
    config = OwnConfig(model="particular").completed()
    assert (config.size, config.crop_pct) == (40, 0.875)
    assert (config.mean, config.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert config.completed() == config


def test_given_settings_are_kept():
    given = GIVEN | {"interpolation": "nearest"}
    config = OwnConfig(model="particular", **given).completed()
    assert {name: getattr(config, name) for name in given} == given
    assert OwnConfig(model="particular", **GIVEN).completed().interpolation == "bilinear"
    part = OwnConfig(model="particular", size=24).completed()
    assert (part.size, part.mean) == (24, (0.1, 0.2, 0.3))


def test_no_network_is_built_if_all_settings_are_given(monkeypatch):
    monkeypatch.setitem(BACKBONES, "particular", None)  # calling it would fail
    given = GIVEN | {"interpolation": "nearest"}
    assert OwnConfig(model="particular", **given).completed().size == 24


def test_the_default_network_of_timm_says_what_it_wants():
    config = features().completed()
    assert (config.size, len(config.mean), len(config.std)) == (224, 3, 3)
    assert config.crop_pct is not None
    assert 0 < config.crop_pct <= 1


@pytest.mark.parametrize(
    ("settings", "pretrained"),
    [
        ({"stage": "features"}, True),
        ({"stage": "features", "weights": "some.pt"}, False),
        ({"stage": "features", "pretrained": False}, False),
        ({"stage": "scratch"}, False),
        ({"stage": "scratch", "pretrained": True}, True),
    ],
)
def test_a_frozen_network_is_pretrained_unless_it_has_weights(settings, pretrained):
    assert OwnConfig(model="particular", **settings).completed().pretrained is pretrained


def test_a_network_without_input_config_needs_size_mean_and_std():
    with pytest.raises(ValueError, match=r"`mean` must be given for resnet8-cifar, which prefers none: pass --mean"):
        features(model="resnet8-cifar").completed()
    told = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
    assert features(model="resnet8-cifar", **told).completed().size == 32


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match=r"`model` must be .* Got 'resnet8'"):
        features(model="resnet8").completed()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": 0}, "`views` must be at least 1"),
        ({"views": 2}, "`views` must be 1 without `augmentations` or `augment`, by which they differ. Got 2."),
        ({"mixing": "cutmix"}, '`mixing` must not be "cutmix" for features'),
        ({"mixing": "cmo"}, '`mixing` must not be "cmo" for features, which have no pixels. Pass "mixup"'),
        ({"size": 4}, "`size` must be at least 8"),
        ({"pretrained": True, "weights": "some.pt"}, "`weights` must be left out with `pretrained`"),
    ],
)
def test_settings_that_do_not_suit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        features(**settings)


def test_recipes_are_complete_but_for_what_the_network_says():
    assert scratch().completed() == scratch(pretrained=False, crop_pct=1.0, interpolation="bilinear")
    assert features(seed=3, loss="ce").seed == 3
    with pytest.raises(TypeError):
        features(no_such_setting=1)


@pytest.mark.parametrize("made", [features, scratch])
def test_a_run_folder_gives_it_back(made, tmp_path):
    config = made(val="elsewhere", size=64, augmentations=("flip",), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    folder = RunFolder.create(tmp_path / "run", config=config, seed=0)
    assert stored_config(RunFolder.open(folder.path)) == config


def test_a_run_that_kept_no_interpolation_keeps_that_which_it_had(tmp_path):
    folder = RunFolder.create(tmp_path / "run", config=OwnConfig(model="particular", **GIVEN), seed=0)
    stored = stored_config(folder)
    assert isinstance(stored, OwnConfig)
    assert stored.completed().interpolation == "bicubic"


def test_a_missing_timm_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModuleNotFoundError, match="needs timm: pip install 'longtail"):
        features().completed()
