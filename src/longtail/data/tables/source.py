"""Tables of paths and labels, of numeric features and labels, or of labels alone."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.class_names import as_text, named_labels
from longtail.data.file_rows import LINE, file_rows, place_at_start, place_of_row
from longtail.data.first_of_many import first
from longtail.data.images.encoded_images import holds_images, images_of
from longtail.data.list_source import LISTS, below, from_home, with_slashes
from longtail.data.options import Options
from longtail.data.raw_part import PART_NAMES, RawPart, rows_of
from longtail.data.tables.columns import (
    LABEL_COLUMNS,
    NUMBERING,
    USUAL,
    Columns,
    find_columns,
    part_text,
    text_columns,
)
from longtail.data.tables.declared_classes import with_class_names
from longtail.data.tables.features import has_features, read_features
from longtail.data.tables.file import CLASS_NAMES, JSON_LINES, PARQUET, TABLES, pandas, read_table, refuse_repeated
from longtail.data.tables.index import with_index
from longtail.data.tables.vector_columns import holds_vectors
from longtail.data.text_file import kind_of, read_text

if TYPE_CHECKING:
    from pandas import DataFrame, Series

NO_PATHS = (Mapping, list, tuple, np.ndarray, bytes)


def is_table_file(data: Any) -> bool:
    """Whether `data` is the path of a table; a list whose first line names a path and a label is one too."""
    if not isinstance(data, Path) or not data.is_file():
        return False
    return kind_of(data) in TABLES or (kind_of(data) in LISTS and _has_header(data))


def is_frame(data: Any) -> bool:
    """Whether `data` is a pandas table."""
    return hasattr(data, "columns") and hasattr(data, "iloc")


def read_table_file(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read a table from its file; see `read_frame`."""
    frame = read_table(data, lambda names: text_columns(names, options), notes)
    frame = with_class_names(frame, options, str(data))
    rows = None
    if kind_of(data) in PARQUET:  # its own index may hold paths or labels
        rows = file_rows([str(data)], [len(frame)])
    else:
        first_line = 1 if kind_of(data) in JSON_LINES else 2
        frame.index = pandas().RangeIndex(first_line, first_line + len(frame), name=LINE)
    root = data.parent if options.root is None else options.root
    return read_table_as_parts(frame, options, str(data), root, notes, rows=rows)


def read_frame(data: Any, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read a pandas table; its paths are relative to the working directory where no root is given.

    Raises:
        ValueError: see `find_columns`; an empty label or path, a feature that is no number, files outside the root.
    """
    return read_table_as_parts(data, options, "the table", options.root, notes)


def read_table_as_parts(
    frame: "DataFrame",
    options: Options,
    where: str,
    root: Path | None,
    notes: list[str],
    *,
    part: str = "train",
    rows: Any = None,
) -> dict[str, RawPart]:
    """Read a pandas table by the parts that a column of it names.

    Args:
        frame: the table.
        options: names of columns that are given.
        where: the table, for messages.
        root: folder that paths are relative to.
        notes: gets a note on each column that is read.
        part: what the table is where no column names parts.
        rows: index to name its rows by (`file_rows`).
    """
    if not all(isinstance(name, str) for name in frame.columns):  # numbers, of a table made from an array
        frame = frame.set_axis(list(map(str, frame.columns)), axis=1)
    refuse_repeated(list(frame.columns), where)
    if frame.index.name != LINE:
        frame = with_index(frame, options, where, notes, has_features=has_features(frame, options))
    if rows is not None:
        frame = frame.set_axis(rows, axis=0)
    columns = find_columns(frame, options, where, notes)
    if columns.path is None:
        options.refuse("a table without a column of paths" if columns.images is None else "images as bytes", "root")
    whole = _part(frame, columns, where, root, notes)
    whole.declare(frame.attrs.get(CLASS_NAMES, {}).get(columns.label, ()), where, notes, indices=False)
    if columns.split is None:
        whole.labels_from = f"the column {columns.label!r} of {where}"
        return {part: whole}
    place = split_of(frame[columns.split], columns.split, where)
    return {name: rows_of(whole, np.flatnonzero(place == name)) for name in dict.fromkeys(place.tolist())}


def split_of(column: "Series[Any]", name: str, where: str) -> np.ndarray:
    """The part of each row, (N,), by a column of a pandas table.

    Raises:
        ValueError: a row names none.
    """
    values = [part_text(value) for value in column.tolist()]
    unknown = next((row for row, value in enumerate(values) if value not in PART_NAMES), None)
    if unknown is not None:
        got = repr(values[unknown])[:60] if values[unknown] else "none"
        raise ValueError(
            f"the column {name!r} of {where} must hold {', '.join(PART_NAMES)}. Got {got} "
            f"({place_at_start(column, unknown)}). Drop such rows, or rename the column if it names no parts."
        )
    return np.array([PART_NAMES[value] for value in values])


def _part(frame: "DataFrame", columns: Columns, where: str, root: Path | None, notes: list[str]) -> RawPart:
    labels = frame[columns.label]
    _refuse_empty(labels, columns.label, where, "hold a label", "has none")
    of_labels = f"the column {columns.label!r} of {where}"
    if holds_images(labels):
        raise ValueError(f"{of_labels} must hold classes. It holds images: name the column of labels with --label.")
    codes, names = named_labels(_plain(labels), of_labels, notes, lambda row: place_of_row(labels, row))
    groups = None if columns.group is None else _groups(frame[columns.group], columns.group, where)
    if columns.path is not None:
        files, root = _files(frame[columns.path], columns.path, where, root, notes)
        _note_unused(frame, columns, where, notes)
        return RawPart(codes, names, files=files, root=root, groups=groups)
    if columns.images is not None:
        _note_unused(frame, columns, where, notes)
        return RawPart(codes, names, items=images_of(frame[columns.images]), groups=groups)
    features, feature_names = read_features(frame, columns, where, notes)
    return RawPart(codes, names, features=features, feature_names=feature_names, groups=groups)


def _plain(labels: "Series[Any]") -> Any:
    """Numbers as numpy has them, anything else as a list."""
    return labels.to_numpy() if labels.dtype.kind in "biuf" else labels.astype(object).tolist()


def _groups(column: "Series[Any]", name: str, where: str) -> np.ndarray:
    _refuse_empty(column, name, where, "name a group", "names none")  # all that have none would be one group
    if holds_vectors(column):
        raise ValueError(
            f"the column {name!r} of {where} must name one group in each row. It holds lists: name another column with "
            "--group."
        )
    return np.array([as_text(value) for value in column], dtype=object)


def _refuse_empty(column: "Series[Any]", name: str, where: str, must: str, but: str, advice: str = "") -> None:
    empty = column.isna() | _is_blank(column)
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise ValueError(
            f"{where} must {must} in each row. {place_at_start(column, row)} {but} in the column {name!r} "
            f"({int(empty.sum()):,} of {len(column):,} rows){advice}."
        )


def _is_blank(column: "Series[Any]") -> "Series[bool]":
    if column.dtype == object:  # bytes need not be text
        return column.map(lambda value: isinstance(value, (str, bytes)) and not value.strip()).astype(bool)
    return column.astype(str).str.strip() == ""


def _files(
    column: "Series[Any]", name: str, where: str, root: Path | None, notes: list[str]
) -> tuple[tuple[str, ...], Path]:
    _refuse_empty(
        column, name, where, "name a file", "names none", ". Drop such rows: --on-bad-file skip leaves out files alone"
    )
    _refuse_no_text(column, name, where)
    paths = with_slashes([str(value).strip() for value in column.tolist()], where, notes)
    paths = from_home(paths, where, notes)
    if root is None:  # a table that is no file has no folder
        absolute = all(os.path.isabs(path) for path in paths)  # noqa: PTH117 - there may be millions
        root = Path(os.path.commonpath([str(Path(path).parent) for path in paths])) if absolute else Path()
    return below(root, paths, where), root


def _refuse_no_text(column: "Series[Any]", name: str, where: str) -> None:
    odd = next((value for value in column.tolist() if isinstance(value, NO_PATHS)), None)
    if odd is not None:
        raise ValueError(
            f"{where} must hold paths as text in the column {name!r}. Got {type(odd).__name__}: {odd!s:.60}. Name "
            "another column with --path-column."
        )


def _note_unused(frame: "DataFrame", columns: Columns, where: str, notes: list[str]) -> None:
    """Say which columns of a table of paths or images are not read: one of them may say which rows are for testing."""
    taken = {columns.label, columns.path, columns.images, columns.group, columns.split}
    left = [name for name in map(str, frame.columns) if name not in taken and name.strip().lower() not in NUMBERING]
    if left:
        notes.append(f"{where}: columns that are not used: {first(left)}.")


def _has_header(path: Path) -> bool:
    line = read_text(path).lstrip("\n\r").partition("\n")[0].strip().lower()
    cells = [cell.strip().strip('"') for cell in line.replace("\t", ",").replace(";", ",").split(",")]
    return len(cells) > 1 and any(cell in LABEL_COLUMNS for cell in cells) and len(set(cells) & USUAL) > 1
