"""The plankton of the National Data Science Bowl (Kaggle, 2015), which is naturally long-tailed.

30,336 labelled grey images in 121 classes of 1,979 to 9, prepared as two files: `ndsb48.npz` with images brought to
48 × 48 pixels (`x`, uint8) and labels (`y`, 0 is the most frequent class), and `split_seed0.npz` with the indices of a
stratified split (`train`, `val`, `test`).
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longtail.array_headers import ArrayFile

ARRAYS = {"ndsb48.npz": ("x", "y"), "split_seed0.npz": ("train", "val", "test")}
CLASSES = 121


class Plankton(NamedTuple):
    """Images are (N, 1, 48, 48) uint8, white where there is nothing; labels (N,) int64."""

    train_images: Tensor
    train_target: Tensor
    validation_images: Tensor
    validation_target: Tensor
    test_images: Tensor
    test_target: Tensor


def load_plankton(folder: str | os.PathLike[str]) -> Plankton:
    """Load the three sets into memory, 70 MB.

    Args:
        folder: holds the two files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, or holds other arrays than it should.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())  # files of the same form with three black images per class
        >>> np.savez(folder / "ndsb48.npz", x=np.zeros((363, 48, 48), dtype=np.uint8), y=np.arange(363) % 121)
        >>> train, val, test = np.arange(363).reshape(3, 121)
        >>> np.savez(folder / "split_seed0.npz", train=train, val=val, test=test)
        >>> sets = load_plankton(folder)
        >>> sets.train_images.shape, sets.test_target[:3].tolist()
        (torch.Size([121, 1, 48, 48]), [0, 1, 2])
    """
    images, labels = _read(Path(folder) / "ndsb48.npz")
    parts = _read(Path(folder) / "split_seed0.npz")
    _check(images, labels, parts, Path(folder))
    tensors = []
    for part in parts:
        tensors += [torch.from_numpy(images[part])[:, None], torch.from_numpy(labels[part].astype(np.int64))]
    return Plankton(*tensors)


def plankton_class_names(folder: Path) -> tuple[str, ...]:
    """The first word of each line of `class_names.txt`, in the order of the labels; numbers without such a file.

    Raises:
        ValueError: the file does not name each class once.
    """
    path = folder / "class_names.txt"
    if not path.is_file():
        return tuple(map(str, range(CLASSES)))
    names = tuple(line.split()[0] for line in path.read_text().splitlines() if line.strip())
    if len(names) != CLASSES or len(set(names)) != CLASSES:
        raise ValueError(f"{path} must name each of the {CLASSES} classes once. It has {len(names)} names.")
    return names


def _read(path: Path) -> list[np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"`folder` must hold {' and '.join(ARRAYS)}. Got {path.parent}, without {path.name}.")
    try:
        arrays = ArrayFile(path)
        return [arrays[name] for name in ARRAYS[path.name]]
    except (ValueError, KeyError, OSError) as error:
        names = ", ".join(ARRAYS[path.name])
        raise ValueError(f"{path} must be an npz file of the arrays {names}. It is damaged: {error}") from error


def _check(images: np.ndarray, labels: np.ndarray, parts: list[np.ndarray], folder: Path) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != (48, 48) or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{folder / 'ndsb48.npz'} must hold x (N, 48, 48) uint8 and y (N,). "
            f"Got {images.shape} {images.dtype} and {labels.shape}."
        )
    if not np.array_equal(np.unique(labels), np.arange(CLASSES)):
        raise ValueError(f"{folder / 'ndsb48.npz'} must hold the labels 0 to {CLASSES - 1}. Got others.")
    together = np.concatenate(parts)
    if together.dtype.kind not in "iu" or not np.array_equal(np.sort(together), np.arange(len(images))):
        raise ValueError(f"{folder / 'split_seed0.npz'} must name each of the {len(images)} images once. It does not.")
    for part, name in ((parts[0], "train"), (parts[2], "test")):
        if len(np.unique(labels[part])) < CLASSES:
            raise ValueError(f"{folder / 'split_seed0.npz'} must hold images of every class in {name}. It does not.")
