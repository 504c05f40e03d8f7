"""CIFAR-10 and CIFAR-100 as they are downloaded, as a source like any other."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from longtail.data.built_in.cifar import ARCHIVES, load_cifar
from longtail.data.options import Options
from longtail.data.raw_part import RawPart


def is_archive(data: Any) -> bool:
    """Whether `data` is the folder of an official binary archive, or holds one."""
    return isinstance(data, Path) and data.is_dir() and _name(data) is not None


def read_archive(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read its two parts."""
    options.refuse("an archive", "root", "path_column", "label", "split", "group")
    name = _name(data) or ""
    cifar = load_cifar(name, data.parent if data.name == ARCHIVES[name].folder else data)
    return {
        "train": _part(cifar.train_images, cifar.train_target),
        "test": _part(cifar.test_images, cifar.test_target),
    }


def _name(folder: Path) -> str | None:
    for name, archive in ARCHIVES.items():
        if archive.folder == folder.name or (folder / archive.folder).is_dir() or (folder / archive.file).is_file():
            return name
    return None


def _part(images: Tensor, target: Tensor) -> RawPart:
    names = tuple(map(str, range(int(target.max()) + 1)))
    return RawPart(
        target.numpy(), names, declared=True, images=np.ascontiguousarray(images.numpy().transpose(0, 2, 3, 1))
    )
