"""What is packed for a GPU: the long-tailed subsets, a balanced validation set, the test set."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import pack_data
from longtail.data import load_cifar, load_splits, long_tailed_indices
from longtail.recipes import cifar100_lt
from packed_images import read_pack

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def test_the_subsets_and_the_validation_set_are_among_the_packed_images():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(100), 500))
    kept = pack_data.kept_images(labels)
    assert len(np.unique(kept)) == len(kept) == 19_582
    for imbalance in (10, 50, 100, 200):
        assert np.isin(long_tailed_indices(labels, imbalance), kept).all()
    # 20 more of each class than the subset of imbalance 100 has, which in the head are the last 20 of the class
    assert (np.bincount(labels[kept]) >= np.minimum(_counts(labels, 100) + 20, 500)).all()


def _counts(labels, imbalance):
    return np.bincount(labels[long_tailed_indices(labels, imbalance)])


@pytest.mark.slow
def test_the_packed_images_of_cifar100_are_small_and_train_the_same(cifar100, tmp_path):
    command = [sys.executable, ROOT / "results/pack_data.py", "--cifar", cifar100, "--out", tmp_path, "--images-only"]
    subprocess.run(command, check=True)
    pack = tmp_path / pack_data.PACK
    assert pack.stat().st_size < 56_000_000
    packed, whole = read_pack(pack), load_cifar("cifar100", cifar100)
    for settings in ({"imbalance": 10.0}, {"imbalance": 100.0, "validation_per_class": 20}, {"imbalance": 200.0}):
        config = cifar100_lt(**settings)
        ours, theirs = (load_splits(config, data, CPU) for data in (packed, whole))
        for name in ("train", "validation", "test"):
            assert torch.equal(getattr(ours, name).images, getattr(theirs, name).images)
            assert torch.equal(getattr(ours, name).target, getattr(theirs, name).target)


@pytest.mark.slow
def test_a_missing_folder_is_named_and_nothing_is_written(tmp_path):
    command = [sys.executable, ROOT / "results/pack_data.py", "--cifar", tmp_path / "none", "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "`folder` must hold cifar-100-binary.tar.gz or the folder cifar-100-binary" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_package_that_travels_has_a_version():
    constrained = (ROOT / "constraints.txt").read_text()
    for name in pack_data.PACKAGES:
        assert f"\n{name}==" in constrained
