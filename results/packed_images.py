"""CIFAR in one small file without loss: the images that long-tailed runs need, and the test set.

The file is a npz archive:

    kept            (K,) indices into the training set of the images that are packed
    train_target    (N,) labels of the whole training set, since subsets are drawn from all labels
    test_target     (M,)
    train, test     WebP files one after another, each a lossless sheet of images
    train_bytes, test_bytes   the length of each sheet
    sha256          of the pixels of the packed training images, then of the test images
"""

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from longtail.data.built_in.cifar import Cifar
from longtail.whole_file import write_whole

SIDE, COLUMNS, PER_SHEET = 32, 45, 2025  # sheets of more images come out larger
METHOD, EFFORT = 4, 75  # the slowest setting saves 1 % and takes 50 times as long


def write_pack(cifar: Cifar, kept: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Pack the training images `kept`, all labels and the test set.

    Args:
        cifar: all images.
        kept: (K,) indices of training images, in the order in which they are packed.
        path: the file; its folder must exist.
    """
    train, test = cifar.train_images[kept].numpy(), cifar.test_images.numpy()
    sheets = {"train": [_sheet(part) for part in _parts(train)], "test": [_sheet(part) for part in _parts(test)]}
    arrays: dict[str, Any] = {
        "kept": kept.astype(np.int32),
        "train_target": cifar.train_target.numpy().astype(np.uint8),
        "test_target": cifar.test_target.numpy().astype(np.uint8),
        "sha256": _checksum(train, test),
    }
    for name, files in sheets.items():
        arrays[name] = np.frombuffer(b"".join(files), dtype=np.uint8)
        arrays[f"{name}_bytes"] = np.array([len(file) for file in files])
    with write_whole(path) as file:
        np.savez_compressed(file, **arrays)


def read_pack(path: str | os.PathLike[str]) -> Cifar:
    """CIFAR in its full shape; training images that are not packed are black.

    Args:
        path: a file that `results/pack_data.py` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be a pack of images. {path} is missing: write it with pack_data.py.")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            packed = dict(arrays)
        train, test = (_images(packed[name], packed[f"{name}_bytes"]) for name in ("train", "test"))
        kept, train_target, test_target = (packed[name] for name in ("kept", "train_target", "test_target"))
        train, test = train[: len(kept)], test[: len(test_target)]
        intact = str(packed["sha256"]) == _checksum(train, test)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error
    if not intact:
        raise _damaged(path)
    images = torch.zeros(len(train_target), 3, SIDE, SIDE, dtype=torch.uint8)
    images[torch.from_numpy(kept.astype(np.int64))] = torch.from_numpy(train)
    return Cifar(images, _labels(train_target), torch.from_numpy(test), _labels(test_target))


def _damaged(path: Path) -> ValueError:
    return ValueError(f"{path} must be a whole pack of images. It is damaged: write it again with pack_data.py.")


def _labels(target: np.ndarray) -> Tensor:
    return torch.from_numpy(target.astype(np.int64))


def _checksum(train: np.ndarray, test: np.ndarray) -> str:
    return hashlib.sha256(train.tobytes() + test.tobytes()).hexdigest()


def _parts(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + PER_SHEET] for start in range(0, len(images), PER_SHEET)]


def _sheet(images: np.ndarray) -> bytes:
    """Images (K, 3, 32, 32) in rows of a picture, as a WebP file."""
    rows = -(-len(images) // COLUMNS)
    places = np.zeros((rows * COLUMNS, 3, SIDE, SIDE), dtype=np.uint8)
    places[: len(images)] = images
    picture = places.reshape(rows, COLUMNS, 3, SIDE, SIDE).transpose(0, 3, 1, 4, 2)
    file = io.BytesIO()
    Image.fromarray(picture.reshape(rows * SIDE, COLUMNS * SIDE, 3)).save(
        file, "webp", lossless=True, method=METHOD, quality=EFFORT
    )
    return file.getvalue()


def _images(files: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The places of all sheets, (K, 3, 32, 32); those behind the last image are black."""
    return np.concatenate([_places(file) for file in np.split(files, np.cumsum(lengths)[:-1])])


def _places(file: np.ndarray) -> np.ndarray:
    picture = np.asarray(Image.open(io.BytesIO(file.tobytes())).convert("RGB"))
    rows = len(picture) // SIDE
    return picture.reshape(rows, SIDE, COLUMNS, SIDE, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, SIDE, SIDE)
