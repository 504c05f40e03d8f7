"""CIFAR-10 and CIFAR-100 from the official binary archive: checked by md5, never unpickled.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. A record is one label byte (CIFAR-10) or a
coarse and a fine one (CIFAR-100), then 3 × 32 × 32 bytes.
"""

import contextlib
import hashlib
import os
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import check_choice
from longtail.whole_file import write_whole

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Archive:
    """Where one data set lies: the archive, the folder inside it, files of the two sets, records of each file."""

    file: str
    md5: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    records: tuple[int, int]
    label_bytes: int
    file_md5: dict[str, str]
    class_names: str

    @property
    def url(self) -> str:
        """The official address."""
        return f"https://www.cs.toronto.edu/~kriz/{self.file}"


ARCHIVES = {
    "cifar10": Archive(
        file="cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        test=("test_batch.bin",),
        records=(10_000, 10_000),
        label_bytes=1,
        file_md5={},
        class_names="batches.meta.txt",
    ),
    "cifar100": Archive(
        file="cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        train=("train.bin",),
        test=("test.bin",),
        records=(50_000, 10_000),
        label_bytes=2,
        class_names="fine_label_names.txt",
        file_md5={"train.bin": "6172c7755cfe09b2fe270c85cebc1b15", "test.bin": "4499cfba6c016c1be1438163640a0898"},
    ),
}


class Cifar(NamedTuple):
    """Images are (N, 3, 32, 32) uint8, labels (N,) int64 (for CIFAR-100 the fine ones)."""

    train_images: Tensor
    train_target: Tensor
    test_images: Tensor
    test_target: Tensor


def load_cifar(name: str, folder: str | os.PathLike[str], *, download: bool = False) -> Cifar:
    """Load CIFAR-10 or CIFAR-100 into memory, 184 MB.

    Args:
        name: "cifar10" or "cifar100".
        folder: holds the archive, or the folder that is in it, or is that folder.
        download: fetch the archive into `folder` if it is not there.

    Raises:
        FileNotFoundError: nothing there; the message says both ways to get it.
        ValueError: a file is truncated or damaged.
        OSError: the download failed; nothing half-written is left.

    Example:
        >>> load_cifar("cifar100", "empty")
        Traceback (most recent call last):
        FileNotFoundError: `folder` must hold cifar-100-binary.tar.gz or the folder cifar-100-binary. Got empty, ...
    """
    check_choice("name", name, list(ARCHIVES))
    archive, folder = ARCHIVES[name], Path(folder)
    unpacked = next((path for path in (folder, folder / archive.folder) if (path / archive.train[0]).is_file()), None)
    if unpacked is not None:
        return _assemble(archive, lambda file: (unpacked / file).read_bytes(), str(unpacked))
    packed = folder / archive.file
    if not packed.is_file():
        if not download:
            raise FileNotFoundError(
                f"`folder` must hold {archive.file} or the folder {archive.folder}. Got {folder}, which has neither. "
                f"Pass download=True (--download), or fetch {archive.url} yourself and put it there."
            )
        _download(archive, packed)
    _check_md5(packed.name, _md5_of(packed), archive.md5, "Delete it and fetch it again.")
    with tarfile.open(packed) as tar:
        return _assemble(archive, lambda file: _member(tar, f"{archive.folder}/{file}"), str(packed))


def cifar_class_names(name: str, folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names of the classes, as in the archive or its unpacked folder; their numbers where it has none.

    Args:
        name: "cifar10" or "cifar100".
        folder: as in `load_cifar`.
    """
    archive, folder = ARCHIVES[name], Path(folder)
    number = 100 if name == "cifar100" else 10
    text = ""
    for path in (folder / archive.class_names, folder / archive.folder / archive.class_names):
        text = path.read_text() if path.is_file() else text
    packed = folder / archive.file
    if not text and packed.is_file():
        with tarfile.open(packed) as tar, contextlib.suppress(KeyError):
            text = _member(tar, f"{archive.folder}/{archive.class_names}").decode()
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    return names if len(names) == number == len(set(names)) else tuple(map(str, range(number)))


def _assemble(archive: Archive, read: Callable[[str], bytes], where: str) -> Cifar:
    sets = [
        [_records(archive, read(file), file, records, where) for file in files]
        for files, records in zip((archive.train, archive.test), archive.records, strict=True)
    ]
    (train_images, train_target), (test_images, test_target) = (
        (torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts])) for parts in sets
    )
    return Cifar(train_images, train_target, test_images, test_target)


def _records(archive: Archive, content: bytes, file: str, records: int, where: str) -> tuple[Tensor, Tensor]:
    size = archive.label_bytes + PIXELS
    if len(content) != records * size:
        raise ValueError(
            f"{file} must have {records * size:,} bytes. Got {len(content):,} in {where}. Truncated? Fetch it again."
        )
    if file in archive.file_md5:
        _check_md5(file, hashlib.md5(content).hexdigest(), archive.file_md5[file], f"In {where}. Fetch it again.")
    rows = np.frombuffer(content, dtype=np.uint8).reshape(records, size)
    images = torch.from_numpy(rows[:, archive.label_bytes :].reshape(records, 3, 32, 32).copy())
    return images, torch.from_numpy(rows[:, archive.label_bytes - 1].astype(np.int64))


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} must be a file in the archive. Got something else.")
    return file.read()


def _download(archive: Archive, packed: Path) -> None:
    packed.parent.mkdir(parents=True, exist_ok=True)
    seen = hashlib.md5()
    with write_whole(packed) as file, urllib.request.urlopen(archive.url) as answer:
        while block := answer.read(1 << 20):
            seen.update(block)
            file.write(block)
        _check_md5(packed.name, seen.hexdigest(), archive.md5, "The download was cut off or altered; nothing was kept.")


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _check_md5(name: str, got: str, want: str, cause: str) -> None:
    if got != want:
        raise ValueError(f"{name} must have the published md5 {want}. Got {got}. {cause}")
