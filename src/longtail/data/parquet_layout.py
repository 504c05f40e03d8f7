"""Where the Parquet files of a data set lie: in one folder, or in a folder for each part, as the Hub converts them."""

import os
from pathlib import Path

from longtail.data.image_folder import left_out
from longtail.data.shard_names import part_of
from longtail.data.table_file import PARQUET


def parquet_sets(folder: Path) -> dict[Path, dict[str, list[Path]]]:
    """The data sets in a folder: the files of each by part, an empty name for those whose name says none.

    A data set lies in `data`, in the folder itself, or in folders of it, of which there may be several:

        train-00000-of-00002.parquet, …, test-00000-of-00001.parquet
        train/0000.parquet, …, test/0000.parquet

    Raises:
        ValueError: two folders of one part.
    """
    for place in (folder / "data", folder):
        if place.is_dir() and (found := _beside_each_other(place) or _in_folders(place)):
            return {place: found}
    sets: dict[Path, dict[str, list[Path]]] = {}
    for inside in _folders(folder):
        found = _by_part(_parquet_alone(inside)) or _in_folders(inside)
        if not found:
            return {}
        sets[inside] = found
    return sets


def _beside_each_other(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder without folders: these may be those of classes."""
    entries = [entry for entry in folder.iterdir() if not left_out(entry.name)]
    found = sorted(entry for entry in entries if entry.suffix.lower() in PARQUET)
    return {} if found and any(entry.is_dir() for entry in entries) else _by_part(found)


def _in_folders(folder: Path) -> dict[str, list[Path]]:
    """The files of folders that are named by their part."""
    found: dict[str, list[Path]] = {}
    by_part: dict[str, Path] = {}
    for inside in _folders(folder):
        files = _parquet_alone(inside)
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


def _parquet_alone(folder: Path) -> list[Path]:
    """The files of a folder; none where it holds anything else, such as the images of a class."""
    found = []
    for entry in folder.iterdir():
        if left_out(entry.name):
            continue
        if entry.suffix.lower() not in PARQUET:
            return []
        found.append(entry)
    return sorted(found)


def _by_part(files: list[Path]) -> dict[str, list[Path]]:
    by_part: dict[str, list[Path]] = {}
    for file in files:
        by_part.setdefault(part_of(file.name), []).append(file)
    return by_part
