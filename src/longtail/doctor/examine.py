"""Examines a data set or a run, whatever form it comes in."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longtail.data import load_cifar
from longtail.data.cifar import ARCHIVES
from longtail.data.listing import Listing, class_folders, label_table, list_file
from longtail.doctor.findings import SEVERITIES, Finding
from longtail.doctor.images import (
    Look,
    Print,
    prints_of_arrays,
    prints_of_files,
    reading_findings,
    shared_findings,
    unnamed_findings,
)
from longtail.doctor.runs import run_findings
from longtail.doctor.tail import measuring_findings, tail_findings
from longtail.runs import RunFolder

TRAIN = ("train", "training")
MEASURED = ("val", "valid", "validation", "test", "testing")
Folder = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a data set; images in memory where they are not files."""

    listing: Listing
    images: np.ndarray | None = None
    listed: bool = False


def examine(
    path: Folder, *, test: Folder | None = None, root: Folder | None = None, look: Look | None = None
) -> list[Finding]:
    r"""What will go wrong with a data set or a run, the serious first.

    Args:
        path: a folder of class folders (or of parts such as train and test that hold them), a list file of paths and
            class indices (.txt), a table with a column of labels (.csv), the folder of CIFAR's binary archive, or a run
            folder.
        test: another of the same kind that is measured by.
        root: what the paths of lists and tables are relative to.
        look: is told what is done, and the share of it.

    Raises:
        FileNotFoundError, ValueError: nothing of these kinds, or damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "labels.csv"
        >>> _ = path.write_text("label\n" + "cat\n" * 200 + "lynx\n" * 3)
        >>> [finding.severity for finding in examine(path)]
        ['warning', 'fact']
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` must exist. Got {path}.")
    if test is not None and not Path(test).exists():
        raise FileNotFoundError(f"`test` must exist. Got {test}.")
    if (path / "run.json").is_file():
        if test is not None or root is not None:
            raise ValueError(f"`test` and `root` must be left out for a run. {path} is one.")
        found = run_findings(RunFolder.open(path))
    else:
        found = _of_parts(_parts(path, test, root), Path(root) if root else path.parent, look)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _parts(path: Path, test: Folder | None, root: Folder | None) -> dict[str, Part]:
    archive = next((name for name in ARCHIVES if (path / ARCHIVES[name].folder).is_dir() or _is(path, name)), None)
    if archive is not None:
        if test is not None or root is not None:
            raise ValueError(
                f"`test` and `root` must be left out for an archive, which holds both parts. {path} is one."
            )
        return _cifar(archive, path.parent if _is(path, archive) else path)
    parts = _folders(path) if path.is_dir() else {"train": _listed(path, root)}
    if test is not None:
        other = Path(test)
        parts["test"] = Part(class_folders(other)) if other.is_dir() else _listed(other, root, "test")
    return _of_one_order(parts)


def _of_one_order(parts: dict[str, Part]) -> dict[str, Part]:
    """The classes of all parts by name, in the order of the training set."""
    names = parts["train"].listing.class_names
    for name, part in parts.items():
        if not set(part.listing.class_names) & set(names):
            raise ValueError(
                f"the classes of {name} must be those of train. Not one is: {', '.join(part.listing.class_names[:3])} "
                f"beside {', '.join(names[:3])}."
            )
        listing = part.listing.among(names)
        parts[name], names = Part(listing, part.images, part.listed), listing.class_names
    return parts


def _is(path: Path, name: str) -> bool:
    return path.name == ARCHIVES[name].folder


def _cifar(name: str, folder: Path) -> dict[str, Part]:
    cifar = load_cifar(name, folder)
    names = tuple(map(str, range(int(cifar.train_target.max()) + 1)))
    return {
        "train": Part(Listing(cifar.train_target.numpy(), names), cifar.train_images.numpy()),
        "test": Part(Listing(cifar.test_target.numpy(), names), cifar.test_images.numpy()),
    }


def _folders(path: Path) -> dict[str, Part]:
    """The parts of a folder, or the folder itself as the training set."""
    inside = {entry.name.lower(): entry for entry in path.iterdir() if entry.is_dir()}
    training = next((name for name in TRAIN if name in inside), None)
    measured = [name for name in MEASURED if name in inside]
    if training is None and measured:
        raise ValueError(f"{path} must hold a folder train beside {measured[0]}. It does not.")
    if training is None:
        return {"train": Part(class_folders(path))}
    return {"train": Part(class_folders(inside[training]))} | {
        name: Part(class_folders(inside[name])) for name in measured
    }


def _listed(path: Path, root: Folder | None, option: str = "path") -> Part:
    if path.suffix.lower() == ".csv":
        return Part(label_table(path, root), listed=True)
    if path.suffix.lower() == ".txt":
        return Part(list_file(path, root), listed=True)
    raise ValueError(f"`{option}` must be a folder, a list (.txt) or a table (.csv). Got {path}.")


def _of_parts(parts: Mapping[str, Part], root: Path, look: Look | None) -> list[Finding]:
    train = parts["train"].listing
    classes = max(len(part.listing.class_names) for part in parts.values())
    names = max((part.listing.class_names for part in parts.values()), key=len)
    counts = np.bincount(train.target, minlength=classes)
    if not counts.any():
        return [Finding("serious", "there is no sample", "train", "Is the path right? Class folders must hold images.")]
    found = tail_findings(train.class_counts, train.class_names, "train")
    prints: dict[str, list[Print]] = {}
    for name, part in parts.items():
        if name != "train":
            found += measuring_findings(np.bincount(part.listing.target, minlength=classes), counts, names, name)
        if part.images is not None:
            prints[name] = prints_of_arrays(part.images)
        elif part.listing.files is not None:
            prints[name] = prints_of_files(part.listing.files, look)
            found += reading_findings(part.listing.files, prints[name], name)
            found += unnamed_findings(part.listing.files, root, name) if part.listed else []
    for name in prints:
        if name != "train" and "train" in prints:
            other = parts[name].listing
            targets, files = (train.target, other.target), (train.files, other.files)
            found += shared_findings(prints["train"], prints[name], ("train", name), targets, files)
    return found
