import numpy as np
import pytest
import torch

from longtail.data import class_counts, load_plankton
from longtail.data.built_in.plankton import CLASSES


def write(folder, *, images=None, labels=None, **parts):
    """Four images per class, unless told otherwise: two to train on, one held out, one to test."""
    labels = (np.arange(4 * CLASSES) % CLASSES).astype(np.uint8) if labels is None else labels
    images = np.zeros((len(labels), 48, 48), np.uint8) if images is None else images
    np.savez(folder / "ndsb48.npz", x=images, y=labels)
    usual = dict(
        zip(("train", "val", "test"), np.split(np.arange(len(labels)), [2 * CLASSES, 3 * CLASSES]), strict=True)
    )
    np.savez(folder / "split_seed0.npz", **(usual | parts))
    return folder


def test_the_three_sets_are_those_of_the_split(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4 * CLASSES, 48, 48)).astype(np.uint8)
    sets = load_plankton(write(tmp_path, images=images))
    assert sets.train_images.shape == (2 * CLASSES, 1, 48, 48)
    assert torch.equal(sets.validation_images[:, 0], torch.from_numpy(images[2 * CLASSES : 3 * CLASSES]))
    assert sets.test_target.tolist() == list(range(CLASSES))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": np.zeros((484, 24, 24), np.uint8)}, r"must hold x \(N, 48, 48\) uint8 and y \(N,\). Got"),
        ({"images": np.zeros((484, 48, 48))}, "float64"),
        ({"labels": np.zeros(484, np.uint8)}, "must hold the labels 0 to 120. Got others"),
        ({"val": np.arange(10)}, "must name each of the 484 images once"),
        ({"val": np.arange(600, 721)}, "must name each of the 484 images once"),
        ({"val": np.arange(242.0, 363.0)}, "must name each of the 484 images once"),
        ({"train": np.arange(100), "val": np.arange(100, 363)}, "must hold images of every class in train"),
        ({"val": np.arange(242, 364), "test": np.arange(364, 484)}, "must hold images of every class in test"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        load_plankton(write(tmp_path, **wrong))


@pytest.mark.parametrize("file", ["ndsb48.npz", "split_seed0.npz"])
def test_missing_and_truncated_files_are_named(tmp_path, file):
    path = write(tmp_path) / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{file} must be an npz file of the arrays .* It is damaged"):
        load_plankton(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"without {file}"):
        load_plankton(tmp_path)


@pytest.mark.slow
def test_the_real_plankton(real_data):
    sets = load_plankton(real_data / "plankton")
    assert [len(target) for target in sets[1::2]] == [21_233, 3_032, 6_071]
    counts = class_counts(sets.train_target, CLASSES)
    assert (int(counts.max()), int(counts.min())) == (1_385, 6)
    assert float(sets.train_images[:100].float().mean()) > 200  # white where there is nothing
