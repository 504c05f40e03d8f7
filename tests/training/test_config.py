import dataclasses
import json
import re
import sys
from importlib.metadata import EntryPoint
from typing import get_args
from unittest import mock

import pytest
import torch

from longtail.cli import main
from longtail.data import DataInfo, ResidentImages, Splits
from longtail.losses.catalogue import LOSSES, Entry, make_loss, paper_settings, parse_arguments
from longtail.recipes import METHODS, cifar10_lt, cifar100_lt, second_stage
from longtail.recipes.methods import job_of, names_of
from longtail.runs import RunFolder
from longtail.started_processes import first_process
from longtail.training import TrainingConfig, run_experiment, stored_config
from longtail.training.config import Augmentation
from longtail.training.epochs import AUGMENT, epochs_of
from longtail.training.hardware import bfloat16_pays, resolve


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (
            "dataset",
            "mnist",
            "`dataset` must be one of 'cifar10', 'cifar100', 'digits', 'plankton', 'own', 'imagenet-lt', 'places-lt', "
            "'inaturalist18'. Got 'mnist'.",
        ),
        ("imbalance", 0.01, "`imbalance` must be at least 1, largest over smallest class. Got 0.01. Did you mean 100?"),
        ("imbalance", float("nan"), "`imbalance` must be finite"),
        ("profile", "linear", "`profile` must be one of"),
        ("subset_seed", -1, "`subset_seed` must be at least 0"),
        ("seed", 2**32, "`seed` must be below 2^32"),
        ("validation", 0.6, "`validation` must be at most 0.5"),
        ("validation", -0.1, "`validation` must lie in [0, 1]"),
        ("loss", "focall", "`loss` must be one of 'ce', 'focal', 'class-balanced', "),
        ("loss", "ours", "Got 'ours'. One of your own must be imported first, or be an entry point of the group "),
        ("loss_arguments", ("lambda_positive",), "`loss_arguments` must have the form name=value"),
        ("loss_arguments", ("eps=1", "eps=2"), "`loss_arguments` must name 'eps' once"),
        ("loss_arguments", ("reduction=sum",), "to the loop. Got 'reduction'"),
        ("augmentations", ["crop"], "`augmentations` must be a tuple"),
        ("mean", (float("nan"),) * 3, "`mean` must be finite"),
        ("epochs", 10**400, "`epochs` must be at most 1,000,000"),
        ("epochs", 0, "`epochs` must be at least 1"),
        ("batch_size", 0, "`batch_size` must be at least 1"),
        ("learning_rate", 0.0, "`learning_rate` must be finite and greater than 0"),
        ("warmup_epochs", -1, "`warmup_epochs` must be at least 0"),
        ("momentum", 1.5, "`momentum` must lie in [0, 1]"),
        ("weight_decay", -1e-4, "`weight_decay` must be finite and at least 0"),
        ("augmentations", ("crop", "blur"), "`augmentations` must be one of"),
        ("std", (0.2, 0.2), "`std` must hold 3 values"),
        ("std", (0.2, 0.0, 0.2), "`std` must be finite and greater than 0"),
        ("sampler", "random", "`sampler` must be one of 'shuffle', 'class-aware'"),
        ("reweight_from", -1, "`reweight_from` must be at least 0"),
        ("evaluate_every", -1, "`evaluate_every` must be at least 0"),
        ("device", "tpu", "`device` must be one of"),
        ("precision", "float8", "`precision` must be one of"),
        ("channels_last", True, "`channels_last` must be one of"),
        ("compile", "yes", "`compile` must be one of"),
        ("threads", 0, "`threads` must be at least 1"),
        ("processes", 0, "`processes` must be at least 1"),
    ],
)
def test_a_setting_out_of_range_is_refused_at_once(setting, value, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        TrainingConfig(**{setting: value})


def test_a_configuration_survives_json_and_is_frozen():
    config = cifar100_lt(imbalance=50, loss_arguments=("form=paper",))
    assert TrainingConfig.from_json(json.loads(json.dumps(dataclasses.asdict(config)))) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="Got warp. From a newer longtail"):
        TrainingConfig.from_json({"warp": 9})


@pytest.mark.parametrize(("name", "value"), [("weights", 1.5), ("model", None), ("stage", ["a"])])
def test_text_that_is_none_is_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be text. Got"):
        TrainingConfig.from_json({name: value})


def test_arguments_of_a_loss_are_read_as_what_they_are():
    pairs = ("a=1", "b=1.5", "c=paper", "d=None", "e=True", "f=1e-3")
    assert parse_arguments(pairs) == {"a": 1, "b": 1.5, "c": "paper", "d": None, "e": True, "f": 0.001}


def test_recipe_has_the_settings_of_the_paper():
    config = cifar100_lt()
    assert (config.epochs, config.batch_size, config.learning_rate, config.weight_decay) == (200, 64, 0.1, 5e-4)
    assert config.augmentations == ("crop", "flip", "auto_augment", "cutout")
    assert (config.dataset, config.imbalance, config.model, config.validation) == ("cifar100", 100, "resnet32-cifar", 0)
    assert cifar10_lt(seed=2) == dataclasses.replace(config, dataset="cifar10", seed=2)
    assert paper_settings("gala") == {"lambda_positive": 1.2, "form": "released", "accumulate": "released"}


def test_every_named_augmentation_exists():
    assert set(get_args(Augmentation)) == set(AUGMENT)


def test_a_rank_without_the_other_variables_of_torchrun_is_no_other_process(monkeypatch):
    monkeypatch.setenv("RANK", "3")  # of another launcher
    assert first_process()
    for name, value in {"LOCAL_RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert not first_process()


def test_resolve_replaces_every_auto(monkeypatch):
    config = resolve(TrainingConfig(threads=1))
    assert "auto" not in dataclasses.asdict(config).values()
    assert (config.threads, config.processes) == (1, 1)
    assert resolve(config) == config
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match='where CUDA is not available. Got "cuda"'):
        resolve(TrainingConfig(device="cuda"))
    with pytest.raises(ValueError, match="Got 4. Start with torchrun --nproc-per-node 4"):
        resolve(TrainingConfig(processes=4))


def test_several_processes_agree_on_the_precision_and_only_torchrun_starts_them(monkeypatch):
    monkeypatch.setattr("longtail.training.hardware._seconds_of_convolution", {torch.float32: 2, torch.bfloat16: 1}.get)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    alone = resolve(TrainingConfig(threads=1))
    assert (alone.processes, alone.precision) == (1, "bfloat16")
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    together = resolve(TrainingConfig(threads=1))
    assert (together.processes, together.precision) == (2, "float32")


def test_precision_follows_the_faster_convolution(monkeypatch):
    times = {torch.float32: 2.0, torch.bfloat16: 1.0}
    monkeypatch.setattr("longtail.training.hardware._seconds_of_convolution", times.__getitem__)
    assert bfloat16_pays(torch.device("cpu"))
    times[torch.bfloat16] = 3.0
    assert not bfloat16_pays(torch.device("cpu"))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_the_catalogue_is_made_with_its_paper_s_settings(name):
    criterion = make_loss(name, torch.tensor([5, 3, 1]), **paper_settings(name))
    assert criterion(torch.zeros(2, 3, requires_grad=True), torch.tensor([0, 2])).isfinite()
    with pytest.raises(ValueError, match="`label_smoothing` must lie"):
        make_loss(name, torch.tensor([5, 3, 1]), label_smoothing=5)
    with pytest.raises(ValueError, match=r"`loss_arguments` of '.*' must be among .*label_smoothing.*Got 'warmth'"):
        make_loss(name, torch.tensor([5, 3, 1]), warmth=1)


@pytest.mark.parametrize(
    ("processes", "batch_size", "accumulate", "message"),
    [
        (20, 40, 1, "There must be at least one training sample per process. Got 10 for 20."),
        (3, 2, 1, "`batch_size` must be at least 3, a sample for each process. Got 2. Pass --batch-size 3 or more"),
        (1, 11, 1, "`batch_size` must be at most 10, the number of training samples. Got 11."),
        (3, 8, 4, "`accumulate` must be at most 2, the samples of a batch that each process has. Got 4."),
    ],
)
def test_batches_must_fit_samples_and_processes(processes, batch_size, accumulate, message):
    images = ResidentImages(torch.zeros(10, 3, 8, 8), torch.arange(10), (0.5,) * 3, (0.5,) * 3, torch.contiguous_format)
    splits = Splits(images, images, images, DataInfo(tuple("abcdefghij"), (1,) * 10, (3, 8, 8)))
    config = TrainingConfig(batch_size=batch_size, accumulate=accumulate)
    with pytest.raises(ValueError, match=re.escape(message)):
        epochs_of(config, splits.train, None, processes=processes)


def test_there_is_one_validation_set():
    with pytest.raises(ValueError, match="`validation` must be 0 with `validation_per_class`.* Got 0.1 and 20"):
        TrainingConfig(validation=0.1, validation_per_class=20)


def test_another_package_registers_a_loss_by_an_entry_point(monkeypatch):
    module = mock.Mock(entry=Entry(torch.nn.CrossEntropyLoss, "theirs", counts=False), no_entry=7)
    monkeypatch.setitem(sys.modules, "their_package", module)
    found = {
        name: EntryPoint(name, f"their_package:{value}", "longtail.losses")
        for name, value in {"theirs": "entry", "broken": "no_entry"}.items()
    }
    monkeypatch.setattr("longtail.registry.entry_points", lambda name, **_: [found[name]] if name in found else [])
    monkeypatch.setattr("longtail.losses.catalogue.LOSSES", dict(LOSSES))
    monkeypatch.setattr("longtail.recipes.methods.METHODS", dict(METHODS))
    assert TrainingConfig(loss="theirs").loss == "theirs"
    assert names_of("ce,theirs") == ["ce", "theirs"]
    assert job_of(TrainingConfig(), "theirs", seed=1).config.loss == "theirs"
    with pytest.raises(TypeError, match=r"`LOSSES\['broken'\]` must be a `longtail.losses.catalogue.Entry`. Got 7"):
        TrainingConfig(loss="broken")
    with pytest.raises(ValueError, match="`methods` must be one of .*'all'.* Got 'mine'"):
        names_of("mine")


def test_a_loss_of_ones_own_is_compared_and_retrained(tmp_path, monkeypatch):
    class Shifted(torch.nn.CrossEntropyLoss):
        def __init__(self, class_counts, tau=0.5):
            super().__init__()
            self.register_buffer("shift", tau * class_counts.log())

        def forward(self, logits, target):
            return super().forward(logits + self.shift if self.training else logits, target)

    monkeypatch.setitem(LOSSES, "shifted", Entry(Shifted, "ours"))
    monkeypatch.setattr("longtail.recipes.methods.METHODS", dict(METHODS))
    options = ["--methods", "shifted", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(["compare", "digits-lt", *options]) == 0
    first = RunFolder.open(tmp_path / "out/shifted-seed0")
    assert stored_config(first).loss_arguments == ()
    config = second_stage(first, "crt", loss="shifted", loss_arguments=("tau=1.0",), epochs=1)
    second = run_experiment(config, data=None, out=tmp_path / "second", first_stage=first)
    assert second.header["config"]["loss_arguments"] == ["tau=1.0"]
