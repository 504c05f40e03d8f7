"""Folders of Parquet files named by their part, as Hugging Face has them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.image_folder import left_out
from longtail.data.options import Options
from longtail.data.raw_part import PART_NAMES, RawPart
from longtail.data.table_columns import text_columns
from longtail.data.table_file import CLASS_NAMES, PARQUET, TooLargeError, check_parquet_fits, pandas, read_table
from longtail.data.table_source import read_table_as_parts

WORD = re.compile(r"[A-Za-z]+")
SHARD = re.compile(r"(.*)-(\d+)-of-(\d+)")


def is_parquet_folder(data: Any) -> bool:
    """Whether `data` is the path of a folder of Parquet files without folders, or holds such a folder `data`."""
    return isinstance(data, Path) and data.is_dir() and bool(_files(data))


def read_parquet_folder(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read the files; the first word of a name says which part the file belongs to.

    Raises:
        ValueError: files of some parts, but none of train; files that are lacking by the number in their names; files
            of a part with other columns, or other names of classes.
    """
    files = _files(data)
    _refuse_lacking(files)
    by_part: dict[str, list[Path]] = {}
    for file in files:
        word = WORD.match(file.name)
        by_part.setdefault(PART_NAMES.get(word[0].lower() if word else "", ""), []).append(file)
    unnamed = by_part.pop("", [])
    if not by_part:
        return _read(unnamed, data, options, notes)
    if unnamed:
        left = counted(len(unnamed), "file whose name begins", "files whose names begin")
        notes.append(f"{data}: {left} with no part are left out: {first([file.name for file in unnamed])}.")
    if "train" not in by_part:
        raise ValueError(f"{data} must hold a file train-….parquet. It holds files of {', '.join(by_part)} alone.")
    return {name: _read(files, data, options, notes)["train"] for name, files in by_part.items()}


def _files(folder: Path) -> list[Path]:
    for place in (folder / "data", folder):
        entries = [entry for entry in place.iterdir() if not left_out(entry.name)] if place.is_dir() else []
        found = sorted(entry for entry in entries if entry.suffix.lower() in PARQUET)
        if found and not any(entry.is_dir() for entry in entries):  # they may be those of classes
            return found
    return []


def _refuse_lacking(files: list[Path]) -> None:
    """Raise if a download is incomplete: train-00000-of-00003.parquet is one of three files."""
    shards = [shard for file in files if (shard := SHARD.fullmatch(file.stem))]
    for (begin, number), found in Counter((shard[1], shard[3]) for shard in shards).items():
        if found < int(number):
            named = f"{begin}-…-of-{number}{files[0].suffix}"
            raise ValueError(
                f"{files[0].parent} must hold {int(number):,} files {named}, as their names say. It holds {found:,} of "
                "them: download the others."
            )


def _check_memory(files: list[Path]) -> None:
    """One by one they may fit into memory, where together they do not."""
    try:
        check_parquet_fits(files)
    except TooLargeError:
        raise
    except (ModuleNotFoundError, OSError, ValueError):
        return  # the reader says so of the file


def _read(files: list[Path], folder: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    _check_memory(files)
    frames = [read_table(file, lambda names: text_columns(names, options), notes) for file in files]
    for file, frame in zip(files, frames, strict=True):
        if list(frame.columns) != list(frames[0].columns):
            columns = ", ".join(map(str, frame.columns))
            raise ValueError(f"{file} must have the columns of {files[0].name}. Got {columns}.")
        if frame.attrs != frames[0].attrs:  # a class index would mean another class in each file
            raise ValueError(
                f"{file} must declare the same names of classes, in the same order, as {files[0].name}. Got "
                f"{_named(frame)} beside {_named(frames[0])}."
            )
    numbered = all(isinstance(frame.index, pandas().RangeIndex) for frame in frames)
    whole = pandas().concat(frames, ignore_index=numbered)  # another index may hold paths or labels
    whole.attrs = frames[0].attrs
    where = str(files[0]) if len(files) == 1 else f"{files[0].parent} ({files[0].name}, …)"
    return read_table_as_parts(whole, options, where, folder if options.root is None else options.root, notes)


def _named(frame: Any) -> str:
    return "; ".join(f"{column}: {first(names)}" for column, names in frame.attrs[CLASS_NAMES].items()) or "none"
