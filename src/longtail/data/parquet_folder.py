"""Folders of Parquet files named by their part, as Hugging Face has them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longtail.data.counted import counted
from longtail.data.declared_classes import declare_together, with_class_names
from longtail.data.file_rows import file_rows
from longtail.data.first_of_many import first
from longtail.data.image_folder import left_out
from longtail.data.options import Options
from longtail.data.raw_part import RawPart
from longtail.data.shard_names import check_complete, part_of
from longtail.data.table_columns import label_columns, text_columns
from longtail.data.table_file import PARQUET, TooLargeError, check_parquet_fits, pandas, read_table
from longtail.data.table_source import read_table_as_parts


def is_parquet_folder(data: Any) -> bool:
    """Whether `data` is the path of a folder of Parquet files without folders, or holds such a folder `data`."""
    return isinstance(data, Path) and data.is_dir() and bool(_files(data))


def read_parquet_folder(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read the files; the first word of a name that is a part says which part the file belongs to.

    Raises:
        ValueError: files that are missing by the names of the others, or that have other columns.
    """
    by_part: dict[str, list[Path]] = {}
    for file in _files(data):
        by_part.setdefault(part_of(file.name), []).append(file)
    unnamed = by_part.pop("", [])
    if not by_part:
        return _read(unnamed, data, options, notes)
    if unnamed:
        left = counted(len(unnamed), "file whose name has", "files whose names have")
        notes.append(f"{data}: {left} no part are left out: {first([file.name for file in unnamed])}.")
    return {name: _of_one_part(name, _read(files, data, options, notes), files) for name, files in by_part.items()}


def _files(folder: Path) -> list[Path]:
    for place in (folder / "data", folder):
        entries = [entry for entry in place.iterdir() if not left_out(entry.name)] if place.is_dir() else []
        found = sorted(entry for entry in entries if entry.suffix.lower() in PARQUET)
        if found and not any(entry.is_dir() for entry in entries):  # they may be those of classes
            return found
    return []


def parquet_files(folder: Path) -> list[Path]:
    """The files of such a folder, of all parts.

    Raises:
        ValueError: files are missing by the names of the others.
    """
    files = _files(folder)
    check_complete(files)
    return files


def check_fits_together(files: Sequence[Path]) -> None:
    """Raise if files do not fit into memory together, as they may one by one.

    Raises:
        TooLargeError: they do not.
    """
    try:
        check_parquet_fits(files)
    except TooLargeError:
        raise
    except (ModuleNotFoundError, OSError, ValueError):
        return  # the reader says so of the file


def _of_one_part(name: str, read: dict[str, RawPart], files: Sequence[Path]) -> RawPart:
    """What was read of files of one part; a column of parts may repeat it."""
    if set(read) not in ({name}, {"train"}):
        raise ValueError(
            f"{first(list(map(str, files)))} must hold samples of {name} alone, as the names say. A column names "
            f"{' and '.join(read)}: rename the files, or drop the column."
        )
    return next(iter(read.values()))


def _read(files: list[Path], folder: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    check_complete(files)
    check_fits_together(files)
    tables = [read_table(file, lambda names: text_columns(names, options), notes) for file in files]
    frames = [with_class_names(table, options, str(file)) for file, table in zip(files, tables, strict=True)]
    for file, frame in zip(files, frames, strict=True):
        _check_columns(file, frame, files[0], frames[0])
    labels = [options.label] if options.label else label_columns(list(map(str, frames[0].columns)))
    for label in labels:
        declare_together(frames, label, files)
    numbered = all(isinstance(frame.index, pandas().RangeIndex) for frame in frames)
    whole = pandas().concat(frames, ignore_index=numbered)  # another index may hold paths or labels
    whole.attrs = frames[0].attrs
    lengths = list(map(len, frames))
    where = str(files[0]) if len(files) == 1 else f"{files[0].parent} ({files[0].name}, …)"
    root = folder if options.root is None else options.root
    return read_table_as_parts(whole, options, where, root, notes, rows=file_rows(list(map(str, files)), lengths))


def _check_columns(file: Path, frame: Any, first_file: Path, first_frame: Any) -> None:
    """The names must be the same; their order does not matter, since columns are matched by name."""
    missing = [str(name) for name in first_frame.columns if name not in frame.columns]
    other = [str(name) for name in frame.columns if name not in first_frame.columns]
    differences = [f"{what} {first(names)}" for what, names in (("lacks", missing), ("has also", other)) if names]
    if differences:
        raise ValueError(f"{file} must have the columns of {first_file.name}. It {' and '.join(differences)}.")
