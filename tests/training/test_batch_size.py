"""The batch size that is left open."""

import dataclasses

import numpy as np
import pytest

from longtail.recipes import features, finetune, second_stage
from longtail.runs import RunFolder
from longtail.training import run_experiment
from longtail.training.batch_size import fitting_batch_size
from longtail.training.resume import adopt

SETTINGS = {"epochs": 1, "threads": 1, "device": "cpu", "validation": 0.0, "test_share": 0.2}


def table(samples):
    random = np.random.default_rng(0)
    return random.normal(size=(samples, 3)).astype(np.float32), np.repeat(
        ["ant", "bee"], [samples - samples // 4, samples // 4]
    )


@pytest.mark.parametrize(
    ("samples", "parts", "size"),
    [(5, 1, 8), (399, 1, 8), (450, 1, 9), (6399, 1, 127), (6400, 1, 128), (10**6, 1, 128), (100, 20, 20)],
)
def test_an_epoch_has_fifty_steps_where_the_samples_allow_it(samples, parts, size):
    assert fitting_batch_size(samples, parts) == size


def test_the_run_keeps_the_size_that_was_chosen(tmp_path):
    folder = run_experiment(features(loss="ce", **SETTINGS), data=table(1000), out=tmp_path / "run")
    assert folder.header["config"]["batch_size"] == 16  # of 800 training samples
    again = run_experiment(features(loss="ce", **SETTINGS), data=table(1000), out=tmp_path / "run", resume=True)
    assert again.result == folder.result
    with pytest.raises(ValueError, match="`batch_size` is 16, not 32"):
        run_experiment(
            features(loss="ce", **SETTINGS, batch_size=32), data=table(1000), out=tmp_path / "run", resume=True
        )


def test_another_setting_that_equals_0_is_not_left_open(tmp_path):
    config = dataclasses.asdict(features(pretrained=True))
    folder = RunFolder.create(tmp_path / "run", config=config, seed=0)
    with pytest.raises(ValueError, match="`pretrained` is True, not False"):
        adopt(features(pretrained=False), folder)


def test_a_second_stage_has_the_size_of_the_first(tmp_path):
    first = run_experiment(features(loss="ce", **SETTINGS), data=table(1000), out=tmp_path / "run")
    assert second_stage(first, "crt").batch_size == 16
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        second_stage(first, "crt", batch_size=0)


@pytest.mark.parametrize(("batch_size", "samples"), [(64, 48), (32, 32)])
def test_the_rate_of_a_second_stage_is_that_of_the_samples_in_a_step(batch_size, samples, tmp_path):
    settings = SETTINGS | {"batch_size": batch_size}
    first = run_experiment(features(loss="ce", **settings), data=table(60), out=tmp_path / "run")
    assert sum(first.result["class_counts"]) == 48
    config = second_stage(first, "crt")  # learning rate 0.2 for batches of 512
    assert config.batch_size == batch_size
    assert config.learning_rate == pytest.approx(0.2 * samples / 512)
    assert second_stage(first, "balms", batch_size=512).meta_learning_rate == pytest.approx(0.01 * 48 / 512)
    assert second_stage(first, "crt", batch_size=512, learning_rate=0.2).learning_rate == 0.2


def test_parts_of_a_batch_have_a_sample_each(tmp_path):
    folder = run_experiment(features(loss="ce", accumulate=12, **SETTINGS), data=table(60), out=tmp_path / "run")
    assert folder.header["config"]["batch_size"] == 12


def test_other_recipes_have_their_own(tmp_path):
    assert finetune().batch_size == 64
    assert finetune(batch_size=0).batch_size == 0
    with pytest.raises(ValueError, match="`batch_size` must be at least 0"):
        features(batch_size=-1)


def test_the_table_of_a_comparison_names_the_size(tmp_path, capsys, monkeypatch):
    from longtail.cli import main

    monkeypatch.chdir(tmp_path)
    inputs, names = table(1000)
    np.savez("data.npz", features=inputs, labels=names)
    options = ["--epochs", "1", "--threads", "1", "--device", "cpu", "--seeds", "1", "--out", "out"]
    assert main(["compare", "data.npz", "--methods", "ce", *options]) == 0
    assert "batches of 12," in capsys.readouterr().out  # of 649 training samples
    assert RunFolder.open("out/ce-seed0").header["config"]["batch_size"] == 12
