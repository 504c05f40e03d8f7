"""What fine-tuning trains, and at which rate."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from longtail.data import Splits
from longtail.models import make_network
from longtail.recipes.own_data import features, finetune
from longtail.training import FineTuning, StageInput, run_experiment, trained_network
from longtail.training.fine_tuning import layer_numbers, parameter_groups
from training.own import MACHINE, feature_table, finetune_config, write_photographs

EFFICIENTNET = "test_efficientnet.r160_in1k"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("own") / "photographs")


@pytest.fixture(scope="module")
def splits(folder):
    from longtail.data import load_splits

    return load_splits(finetune_config().completed(), folder, torch.device("cpu"))


def stage(splits, **settings):
    config = dataclasses.replace(finetune_config(**settings), channels_last="on").completed()
    return FineTuning(StageInput(config, splits, None, torch.device("cpu"), torch.no_grad))


@pytest.mark.parametrize("model", [EFFICIENTNET, "resnet8-cifar"])
def test_layers_are_counted_from_the_input_to_the_classifier(model):
    network = make_network(model, 3, size=32)
    layers = layer_numbers(network)
    assert set(layers) == {name for name, _ in network.named_parameters()}
    in_order = [layers[name] for name, _ in network.named_parameters()]
    assert in_order == sorted(in_order)
    assert layers["classifier.weight"] == layers["classifier.bias"] == max(in_order)
    assert sorted(set(in_order)) == list(range(max(in_order) + 1))
    assert max(in_order) > 3


def test_earlier_layers_learn_more_slowly_and_biases_do_not_decay():
    network = make_network(EFFICIENTNET, 3, size=32)
    layers = layer_numbers(network)
    groups = parameter_groups(network, layers, finetune_config(layer_decay=0.5, weight_decay=0.1))
    names = {parameter: name for name, parameter in network.named_parameters()}
    seen = [parameter for group in groups for parameter in group["params"]]
    assert set(seen) == set(names)
    assert len(seen) == len(names)
    for group in groups:
        for parameter in group["params"]:
            assert group["factor"] == 0.5 ** (max(layers.values()) - layers[names[parameter]])
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


@pytest.mark.parametrize("tune", ["all", "head", "last:1", "bias"])
def test_frozen_parameters_do_not_change(splits, tune):
    made = stage(splits, tune=tune, model=EFFICIENTNET, size=32)
    network, before = made.model.network, {n: t.clone() for n, t in made.model.network.state_dict().items()}
    optimizer = torch.optim.SGD(made.parameter_groups(), lr=0.1)
    made.model.train()
    made.model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    layers, trained = made.layers, {name for name, p in network.named_parameters() if p.requires_grad}
    expected = {
        "all": set(layers),
        "head": {"classifier.weight", "classifier.bias"},
        "last:1": {name for name, layer in layers.items() if layer >= max(layers.values()) - 1},
        "bias": {name for name in layers if name.endswith("bias") or name.startswith("classifier")},
    }[tune]
    assert trained == expected
    assert {name for name in changed if name in layers} == trained
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            frozen = f"{name}.weight" not in trained
            assert module.training == (not frozen)
            assert (f"{name}.running_mean" in changed) == (not frozen)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == made.provenance()["trained_parameters"]


def test_more_layers_than_there_are_are_refused(splits):
    with pytest.raises(ValueError, match=r"`tune` must name at most \d+ layers. Got 'last:99'"):
        stage(splits, tune="last:99")


def test_features_are_refused(tmp_path):
    with pytest.raises(ValueError, match="needs images. The data are features: longtail train features --data PATH"):
        run_experiment(finetune(epochs=1, **MACHINE), data=feature_table(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_learns_and_its_network_predicts_what_was_kept(folder, tmp_path, splits):
    run = run_experiment(finetune_config(epochs=6, learning_rate=5e-3), data=folder, out=tmp_path / "run")
    assert run.result["test"]["raw"]["balanced_accuracy"] > 0.6
    assert run.metrics[-1]["loss"] < run.metrics[0]["loss"]
    assert run.result["backbone"] == "not pretrained"
    network = trained_network(run)
    with torch.no_grad():
        logits = torch.cat([network(images) for images in splits.test.in_order()])
    np.testing.assert_allclose(logits.numpy(), run.load_predictions("test")[0], rtol=1e-4, atol=1e-4)


def test_views_of_files_differ_by_their_augmentation(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
    settings = {"model": "resnet8-cifar", "size": 16, "pretrained": False, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    config = features(views=2, augment="light", epochs=1, batch_size=8, **settings, **MACHINE)
    run_experiment(config, data=folder, out=tmp_path / "run")
    kept = [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert len(kept) == 4  # of training two views, of validation and test one each
    assert len({file.read_bytes() for file in kept}) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adamm"}, "`optimizer` must be sgd or one of timm's .* Got 'adamm'. Did you mean adam"),
        ({"optimizer": "adahessian"}, "`optimizer` must be sgd or one of timm's"),
        ({"schedule": "cosinus"}, "`schedule` must be one of 'cosine', 'cosine-per-step'"),
        ({"layer_decay": 0.0}, "`layer_decay` must be finite and greater than 0"),
        ({"layer_decay": 1.5}, r"`layer_decay` must lie in \[0, 1\]"),
        ({"ema": 1.0}, "`ema` must be below 1"),
        ({"accumulate": 0}, "`accumulate` must be at least 1"),
        ({"accumulate": 9}, "`accumulate` must be at most `batch_size`, 8"),
        ({"micro_batch_size": 0}, "`micro_batch_size` must be at least 1"),
        ({"clip_norm": 0.0}, "`clip_norm` must be finite and greater than 0"),
        ({"tune": "last"}, "`tune` must be all, head, bias or last:N"),
        ({"tune": "last:0"}, "`tune` must be all, head, bias or last:N"),
        ({"augment": "heavy"}, "`augment` must be one of 'none', 'light', 'randaugment', 'trivial'"),
        ({"workers": -1}, "`workers` must be at least 0"),
        ({"augmentations": ("flip",)}, "`augmentations` must be left out with `augment` and `workers`"),
        ({"augmentations": ("flip",), "augment": "none", "workers": 1}, "`augmentations` must be left out"),
    ],
)
def test_settings_that_do_not_suit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        finetune_config(**settings)


def test_splits_of_the_recipe_are_augmented_in_training_only(splits):
    assert isinstance(splits, Splits)
    assert type(splits.train).__name__ == "TrainingImages"
    assert type(splits.test).__name__ == type(splits.validation).__name__ == "StreamedImages"


def test_parts_of_one_sample_before_batch_norm_are_said(folder, tmp_path):
    config = finetune_config(model=EFFICIENTNET, size=32, batch_size=4, accumulate=4, epochs=1)
    with pytest.raises(ValueError, match=r"`batch_size` must leave two samples .*\(`batch_size` 4, `accumulate` 4\)"):
        run_experiment(config, data=folder, out=tmp_path / "run")


def test_a_number_of_layers_of_many_digits_is_refused():
    with pytest.raises(ValueError, match="`tune` must be all, head, bias or last:N"):
        finetune_config(tune="last:" + "9" * 5000)
