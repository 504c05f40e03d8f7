"""Folders of Parquet files that are named by their part, or lie in folders that are, as Hugging Face has them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtail.data.counted import counted
from longtail.data.file_rows import file_rows
from longtail.data.first_of_many import first
from longtail.data.options import Options
from longtail.data.raw_part import RawPart
from longtail.data.shards.layout import ShardKind, shard_sets
from longtail.data.shards.parts import files_by_part, files_of, refuse_other_parts
from longtail.data.tables.columns import label_columns, text_columns
from longtail.data.tables.declared_classes import declare_together, with_class_names
from longtail.data.tables.file import PARQUET, TooLargeError, check_parquet_fits, pandas, read_table
from longtail.data.tables.source import read_table_as_parts

if TYPE_CHECKING:
    from pandas import DataFrame

PARQUET_FILES = ShardKind("Parquet", PARQUET)


def is_parquet_folder(data: Any) -> bool:
    """Whether `data` is the path of a folder that holds a data set in Parquet files (`shard_layout`)."""
    return isinstance(data, Path) and data.is_dir() and bool(shard_sets(data, PARQUET_FILES))


def read_parquet_folder(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read the files; the first word of a name that is a part says which part the file, or its folder, belongs to.

    Raises:
        ValueError: several data sets; files that are missing by the names of the others, or that have other columns.
    """
    by_part = files_by_part(data, PARQUET_FILES, options, notes)
    if "" in by_part:
        return _read("", by_part[""], data, options, notes)
    return {name: _read(name, files, data, options, notes)[name] for name, files in by_part.items()}


def parquet_files(folder: Path) -> list[Path]:
    """The files of such a folder, of all parts.

    Raises:
        ValueError: several data sets, or files that are missing by the names of the others.
    """
    return files_of(folder, PARQUET_FILES)


def with_rows(files: Sequence[Path], notes: list[str]) -> list[Path]:
    """The files that hold rows, as a shard may not; all of them where none does.

    Args:
        files: Parquet files that are read together.
        notes: gets a note on those that hold none.

    Raises:
        TooLargeError: they do not fit into memory together, as they may one by one.
    """
    try:
        rows = check_parquet_fits(files)
    except TooLargeError:
        raise
    except (ModuleNotFoundError, OSError, ValueError):
        return list(files)  # the reader says so of the file
    found = [file for file, number in zip(files, rows, strict=True) if number]
    if not found or len(found) == len(files):
        return list(files)
    empty = [file.name for file in files if file not in found]
    notes.append(f"{files[0].parent}: {counted(len(empty), 'file has', 'files have')} no rows: {first(empty)}.")
    return found


def _read(part: str, files: list[Path], folder: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """The files of a part by its name; those of no part by the parts that a column names, or else as train."""
    files = with_rows(files, notes)
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
    rows = file_rows(list(map(str, files)), lengths)
    read = read_table_as_parts(whole, options, where, root, notes, part=part or "train", rows=rows)
    if part:
        refuse_other_parts(part, read, list(map(str, files)))
    return read


def _check_columns(file: Path, frame: "DataFrame", first_file: Path, first_frame: "DataFrame") -> None:
    """The names must be the same; their order does not matter, since columns are matched by name."""
    missing = [str(name) for name in first_frame.columns if name not in frame.columns]
    other = [str(name) for name in frame.columns if name not in first_frame.columns]
    differences = [f"{what} {first(names)}" for what, names in (("lacks", missing), ("has also", other)) if names]
    if differences:
        raise ValueError(f"{file} must have the columns of {first_file.name}. It {' and '.join(differences)}.")
