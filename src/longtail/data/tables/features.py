"""Which columns of a table are features, and their numbers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.counted import counted
from longtail.data.file_rows import place_at_start
from longtail.data.first_of_many import first
from longtail.data.options import Options
from longtail.data.tables.columns import (
    NO_FEATURES,
    NUMBERING,
    UNUSED,
    Columns,
    label_columns,
)
from longtail.data.tables.file import refuse_repeated
from longtail.data.tables.vector_columns import holds_vectors, is_written_vectors, vectors_of, with_numbers

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def has_features(frame: "DataFrame", options: Options) -> bool:
    """Whether any column is a feature."""
    names = list(map(str, frame.columns))
    taken = {options.label, options.group, options.split, *([] if options.label else label_columns(names))}
    columns = [(frame[name], name) for name in names if name not in taken]
    return any(_why_no_feature(column, name) is None or vectors_of(column) is not None for column, name in columns)


def read_features(
    frame: "DataFrame", columns: Columns, where: str, notes: list[str]
) -> tuple[np.ndarray, tuple[str, ...]] | tuple[None, None]:
    """The features, (N, D) float32, and their names; twice `None` if there are none.

    Args:
        frame: the table.
        columns: those that are no features.
        where: the table, for messages.
        notes: gets a note on the columns that are features, and on the others.

    Raises:
        ValueError: a feature that is missing or not finite, or two columns of one name.
    """
    frame = _with_numbers(frame, columns, where)
    names = _feature_columns(frame, columns, where, notes)
    return (_features(frame, names, where), names) if names else (None, None)


def _with_numbers(frame: "DataFrame", columns: Columns, where: str) -> "DataFrame":
    taken = {columns.label, columns.group, columns.split}
    numbers = with_numbers(frame, [name for name in frame.columns if name not in taken])
    refuse_repeated(list(numbers.columns), where)
    return numbers


def _feature_columns(frame: "DataFrame", columns: Columns, where: str, notes: list[str]) -> tuple[str, ...]:
    taken = {columns.label, columns.group, columns.split}
    names: list[str] = []
    left: list[str] = []
    for name in map(str, frame.columns):
        if name in taken:
            continue
        why = _why_no_feature(frame[name], name)
        if why is None:
            names.append(name)
        else:
            left.append(f"{name} ({why})")
    if left:
        unused = counted(len(left), "column is", "columns are")
        notes.append(f"{where}: {unused} {UNUSED}: {first(left)}.")
    if not names:
        notes.append(f"{where} has neither a column of paths nor numbers: only its labels are read.")
    else:
        notes.append(f"{where}: {counted(len(names), 'feature', 'features')}: {first(names)}.")
    return tuple(names)


def _why_no_feature(column: "Series[Any]", name: str) -> str | None:
    """The reason why a column is not a feature; None if it is one."""
    if name.strip().lower() in {*NUMBERING, *NO_FEATURES}:
        return "by its name no feature"
    if column.isna().all():
        return "empty"
    kind = column.dtype.kind
    if kind == "O" and holds_vectors(column):
        return "lists that are not of one length, or hold no numbers"
    if kind in "biuf":
        return None
    if is_written_vectors(column):
        return "vectors written as text: save the table as Parquet or JSON lines"
    return {"c": "complex numbers", "M": "dates", "m": "durations"}.get(kind, "no numbers")


def _features(frame: "DataFrame", names: tuple[str, ...], where: str) -> np.ndarray:
    features = frame[list(names)].to_numpy(dtype=np.float32, na_value=np.nan)
    odd = ~np.isfinite(features)
    if odd.any():
        row, column = (int(place[0]) for place in np.nonzero(odd))
        raise ValueError(
            f"{where} must hold a finite number in each row of its features. {place_at_start(frame, row)} has none in "
            f"the column {names[column]!r}. Fill in or drop such rows, or drop the column."
        )
    return np.ascontiguousarray(features)
