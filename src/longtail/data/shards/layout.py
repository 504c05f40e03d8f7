"""Where the files of a data set lie: in one folder, or in a folder for each part, as the Hub has them."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from longtail.data.first_of_many import first
from longtail.data.images.folder import image_suffixes, left_out
from longtail.data.shards.names import part_of


class ShardKind(NamedTuple):
    """A kind of files of which a data set has several.

    Attributes:
        name: what messages call it.
        suffixes: of the names of such files, in lower case.
    """

    name: str
    suffixes: tuple[str, ...]

    def fits(self, name: str) -> bool:
        """Whether a file of this name is one."""
        return name.lower().endswith(self.suffixes) and not left_out(name)


def shard_sets(folder: Path, kind: ShardKind) -> dict[Path, dict[str, list[Path]]]:
    """The data sets in a folder: the files of each by part, an empty name for those whose name says none.

    A data set lies in `data`, in the folder itself, or in folders of it, of which there may be several:

        train-00000-of-00002.parquet, …, test-00000-of-00001.parquet
        train/0000.parquet, …, test/0000.parquet

    Raises:
        ValueError: two folders of one part, or files beside the folders of others.
    """
    for place in (folder / "data", folder):
        if place.is_dir() and (found := _beside_each_other(place, kind) or _in_folders(place, kind)):
            _refuse_elsewhere(folder, place, found, kind)
            return {place: found}
    sets: dict[Path, dict[str, list[Path]]] = {}
    for inside in _folders(folder):
        found = _by_part(_alone(inside, kind)) or _in_folders(inside, kind)
        if not found:
            return {}
        sets[inside] = found
    if len(sets) == 1:
        _refuse_elsewhere(folder, *next(iter(sets.items())), kind)
    return sets


def others_beside(files: Iterable[Path], kind: ShardKind) -> list[Path]:
    """What the folders of these files hold beside them, such as README.md."""
    folders = sorted({file.parent for file in files})
    return [entry for folder in folders for entry in _entries(folder) if not kind.fits(entry.name)]


def _refuse_elsewhere(folder: Path, place: Path, found: dict[str, list[Path]], kind: ShardKind) -> None:
    """Raise if the folder holds other such files, which may be those of another part."""
    read = {file for files in found.values() for file in files}
    beside = {folder} if place == folder else {folder, place, *_folders(folder)}
    files = [file for inside in beside for file in _files(inside, kind)]
    if names := sorted(str(file.relative_to(folder)) for file in files if file not in read):
        used = first(sorted({str(file.parent.relative_to(folder)) for file in read}))
        raise ValueError(
            f"{folder} must hold its {kind.name} files in one folder, or in one folder for each part. It holds "
            f"{first(names)} beside {used}. Move them together, or give the folder of one data set."
        )


def _beside_each_other(folder: Path, kind: ShardKind) -> dict[str, list[Path]]:
    """The files of a folder without folders: these may be those of classes."""
    entries = _entries(folder)
    found = sorted(entry for entry in entries if kind.fits(entry.name))
    return {} if found and any(entry.is_dir() for entry in entries) else _by_part(found)


def _in_folders(folder: Path, kind: ShardKind) -> dict[str, list[Path]]:
    """The files of folders that are named by their part."""
    found: dict[str, list[Path]] = {}
    by_part: dict[str, Path] = {}
    for inside in _folders(folder):
        files = _alone(inside, kind)
        if not files:
            return {}
        part = part_of(inside.name)
        if part and part in by_part:
            raise ValueError(
                f"{folder} must hold one folder for each part. Got {by_part[part].name} and {inside.name}. Remove one, "
                "or name the parts: PATH/train --val PATH/val --test PATH/test."
            )
        by_part[part] = inside
        found.setdefault(part, []).extend(files)
    return found if any(found) else {}


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:  # which knows folders without a look at each of many files
        return sorted(Path(entry.path) for entry in entries if not left_out(entry.name) and entry.is_dir())


def _files(folder: Path, kind: ShardKind) -> list[Path]:
    """Such files in a folder, whatever else it holds; Spark gives folders such names, too."""
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if kind.fits(entry.name) and not entry.is_dir()]


def _alone(folder: Path, kind: ShardKind) -> list[Path]:
    """The files of a folder; none where it also holds folders or images, such as those of a class."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if left_out(entry.name):
                continue
            if Path(entry.name).suffix.lower() in image_suffixes() or entry.is_dir():
                return []
            if kind.fits(entry.name):
                found.append(Path(entry.path))
    return sorted(found)


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not left_out(entry.name))


def _by_part(files: list[Path]) -> dict[str, list[Path]]:
    by_part: dict[str, list[Path]] = {}
    for file in files:
        by_part.setdefault(part_of(file.name), []).append(file)
    return by_part
