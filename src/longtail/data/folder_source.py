"""Folders of class folders, alone or below train, val and test."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from longtail.data.class_names import note_lookalikes, ordered
from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.images.folder import Walk, left_out
from longtail.data.options import Options
from longtail.data.raw_part import PART_NAMES, RawPart
from longtail.data.tables.file import TABLES


def is_folder(data: Any) -> bool:
    """Whether `data` is the path of a folder."""
    return isinstance(data, Path) and data.is_dir()


def read_folder(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read class folders, or the parts that hold them.

    Raises:
        FileNotFoundError: no class folder.
        ValueError: two folders of one part, or an option that says nothing about folders.
    """
    options.refuse("a folder", "root", "path_column", "label", "split", "group")
    found = _part_folders(data)
    if not found:
        return {"train": class_folders(data, notes)}
    beside = [f.name for f in sorted(data.iterdir()) if f.is_dir() and not left_out(f.name) and f not in found.values()]
    if beside:
        left = counted(len(beside), "folder beside the parts is", "folders beside the parts are")
        notes.append(f"{data}: {left} left out: {first(beside)}.")
    return {name: class_folders(folder, notes) for name, folder in found.items()}


def _part_folders(root: Path) -> dict[str, Path]:
    """Folders named for parts; none where train itself holds no folder, since it is then a class of that name."""
    found: dict[str, Path] = {}
    for folder in sorted(root.iterdir()):
        name = PART_NAMES.get(folder.name.lower())
        if name is None or not folder.is_dir():
            continue
        if name in found:
            raise ValueError(
                f"{root} must hold one folder for each part. Got {found[name].name} and {folder.name}. "
                "Name the parts: PATH/train --val PATH/val --test PATH/test."
            )
        found[name] = folder
    if not any(inside.is_dir() for folder in found.values() for inside in folder.iterdir()):
        beside = [entry for entry in root.iterdir() if not left_out(entry.name) and entry not in found.values()]
        return {} if beside else found
    return found


def class_folders(root: Path, notes: list[str]) -> RawPart:
    """The images of a folder that holds one folder for each class.

    Raises:
        FileNotFoundError: no folder in it.
        ValueError: tables in the place of images.
    """
    walk = Walk()
    folders = walk.class_folders(root)
    if not folders:
        raise FileNotFoundError(f"`data` must hold a folder for each class. Got {root}, which {_what_it_holds(root)}")
    by_folder = walk.images(root, folders)
    tables = [name for name in walk.others if Path(name).suffix.lower() in TABLES]
    if tables and not any(by_folder.values()):
        raise ValueError(
            f"`data` must hold images in the folder of each class. Got {root}, which holds none, but {first(tables)}. "
            "Name a table itself, or the folder of the Parquet files."
        )
    named = {folder: unicodedata.normalize("NFC", folder).strip() for folder in folders}
    names = ordered(named.values())
    place = {name: index for index, name in enumerate(names)}
    pairs = [
        (place[named[folder]], file) for folder in sorted(folders, key=named.__getitem__) for file in by_folder[folder]
    ]
    pairs.sort(key=lambda pair: pair[0])
    notes += walk.notes(root)
    note_lookalikes(names, str(root), notes)
    codes = np.array([code for code, _ in pairs], dtype=np.int64)
    return RawPart(codes, names, files=tuple(file for _, file in pairs), root=root)


def _what_it_holds(root: Path) -> str:
    tables = sorted(entry.name for entry in root.iterdir() if entry.suffix.lower() in TABLES)
    if tables:
        return (
            f"holds tables: {first(tables)}. Name a table itself; or put Parquet files into one folder, named by their "
            "part, such as train-0.parquet and test-0.parquet, or into folders train and test."
        )
    return "holds none. Images in one folder need a list or a table with their labels."
