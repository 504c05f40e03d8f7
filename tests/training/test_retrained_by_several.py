"""Second stages of two processes end as those of one."""

import numpy as np
import pytest
import torch

from longtail.runs import RunFolder
from longtail.training import run_experiment
from training.launch import torchrun
from training.own import feature_table, features_config
from training.retrained_by_several import ON_FEATURES, ON_IMAGES, STEPS, retrain_all
from training.tiny import tiny_cifar10, tiny_config

pytestmark = pytest.mark.slow

AGREEMENT = 1e-5
"""Relative difference of weights and θ: the order of float32 sums."""
TRIALS = 8
"""Images of noise at most, by which each process recognises a network."""


@pytest.fixture(scope="module")
def firsts(tiny_data, tmp_path_factory):
    """The data of a run on images, that run, and a run on features."""
    out = tmp_path_factory.mktemp("first")
    with tiny_cifar10():
        config = tiny_config(loss="ce", epochs=1, precision="float32")
        run_experiment(config, data=tiny_data, out=out / "images")
    inputs, names = feature_table()
    np.savez(out / "features.npz", features=inputs, labels=names)
    run_experiment(features_config(loss="ce", epochs=1), data=out / "features.npz", out=out / "features")
    return tiny_data, out / "images", out / "features"


@pytest.fixture(scope="module")
def one(firsts, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGTAIL_CACHE", "")
        data, first, own = firsts
        return out, retrain_all(data, first, own, out)


@pytest.fixture(scope="module")
def two(firsts, tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    done = torchrun(2, "retrained_by_several.py", *firsts, out)
    assert done.returncode == 0, done.stderr
    lines = [(out / f"rank{rank}.txt").read_text().splitlines() for rank in range(2)]
    return out, [{name: int(count) for name, count in (line.split() for line in own)} for own in lines]


@pytest.mark.parametrize("name", sorted({*ON_IMAGES, *ON_FEATURES} - {"mislas"}))
def test_weights_and_statistics_are_those_of_one_process(name, one, two):
    found, expected = (RunFolder.open(out / name) for out in (two[0], one[0]))
    assert found.header["config"]["processes"] == 2
    for group in ("model", "criterion"):
        ours, theirs = found.load_weights()[group], expected.load_weights()[group]
        assert ours.keys() == theirs.keys()
        for key, tensor in theirs.items():
            error = (ours[key].double() - tensor.double()).norm() / tensor.double().norm().clamp_min(1e-12)
            assert error < AGREEMENT, (group, key)
    assert found.result["test"]["raw"] == pytest.approx(expected.result["test"]["raw"])


def test_the_comparison_of_gala_covers_many_steps(one, two):
    for out, _ in (one, two):
        folder = RunFolder.open(out / "gala")
        batch, samples = folder.header["config"]["batch_size"], sum(folder.result["class_counts"])
        assert len(folder.metrics) * (samples // batch) >= STEPS
        assert folder.load_weights()["criterion"]["theta"].sum() > 0


def test_images_pass_through_the_backbone_once(one, two):
    for name in {*ON_IMAGES} - {"mislas"}:
        assert sum(rank[name] for rank in two[1]) <= one[1][name] + TRIALS, name
    assert all(rank["gala"] > 0 for rank in two[1])


def test_mislas_adapts_the_statistics_of_batch_norm(firsts, two):
    """By the share of each process, so that the result is not that of one process."""
    before, after = (RunFolder.open(path).load_weights()["model"] for path in (firsts[1], two[0] / "mislas"))
    moved, kept = "backbone.bn.running_mean", "backbone.bn.weight"
    assert torch.isfinite(after[moved]).all()
    assert not torch.equal(after[moved], before[moved])
    assert torch.equal(after[kept], before[kept])


def test_no_unfinished_file_is_left_and_the_fix_is_written(two):
    for name in (*ON_IMAGES, *ON_FEATURES):
        assert not list((two[0] / name).glob(".*.part"))
    assert (two[0] / "features/fix.json").is_file()
