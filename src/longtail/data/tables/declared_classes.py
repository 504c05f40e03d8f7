"""Names of classes that Parquet files declare, in the place of the indices that they hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.class_names import INTEGER, as_text, first_repeated
from longtail.data.options import Options
from longtail.data.tables.columns import text_columns
from longtail.data.tables.file import CLASS_NAMES

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def with_class_names(frame: "DataFrame", options: Options, where: str) -> "DataFrame":
    """The table, with names for indices in its columns of labels, groups and parts.

    A column that holds anything but indices of the names that are declared for it is left as it is.

    Args:
        frame: a table with the attribute `CLASS_NAMES`; it is changed.
        options: names of columns that are given.
        where: the table, for messages.

    Raises:
        ValueError: a name is declared for two indices of a column.
    """
    declared = frame.attrs.get(CLASS_NAMES, {})
    for name in text_columns(list(map(str, frame.columns)), options):
        codes = _indices(frame[name], len(declared[name])) if name in declared else None
        if codes is not None:
            _refuse_repeated(declared[name], name, where)
            frame[name] = np.array(declared[name], dtype=object)[codes]
    return frame


def _refuse_repeated(names: tuple[str, ...], column: str, where: str) -> None:
    if (places := first_repeated(names)) is not None:
        raise ValueError(
            f"{where} must declare each class of the column {column!r} once. Got {names[places[1]]!r} for {places[0]} "
            f"and {places[1]}. Correct the names, or write them as the labels."
        )


def declare_together(frames: "Sequence[DataFrame]", label: str, files: Sequence[Path]) -> None:
    """Let the first table declare the classes of all, which may each declare others, or the same in another order.

    Args:
        frames: tables after `with_class_names`.
        label: column of the labels.
        files: path of each table, for messages.

    Raises:
        ValueError: one has numbers for labels where another has names.
    """
    numbered = next((place for place, frame in enumerate(frames) if _is_number(frame, label)), None)
    named = next((place for place, frame in enumerate(frames) if _has_names(frame, label)), None)
    if numbered is not None and named is not None:
        raise ValueError(
            f"{files[numbered]} must hold names of classes in the column {label!r}, or indices of names that it "
            f"declares, as {files[named].name} does. Got numbers, such as {frames[numbered][label].iloc[0]}."
        )
    declared = [frame.attrs.get(CLASS_NAMES, {}) for frame in frames]
    every = tuple(dict.fromkeys(name for columns in declared for name in columns.get(label, ())))
    frames[0].attrs[CLASS_NAMES] = {**declared[0], label: every}


def _indices(column: "Series[Any]", number: int) -> np.ndarray | None:
    """The column as indices of so many names, (N,) int64; `None` if it holds anything else."""
    if column.dtype.kind not in "iuf" or column.isna().any():
        return None
    values = column.to_numpy(dtype=np.float64)
    fits = (values >= 0) & (values < number) & (values == np.floor(values))
    return values.astype(np.int64) if fits.all() else None


def _is_number(frame: "DataFrame", label: str) -> bool:
    return label in frame.columns and frame[label].dtype.kind in "iuf"


def _has_names(frame: "DataFrame", label: str) -> bool:
    if label not in frame.columns or _is_number(frame, label):
        return False
    texts = (as_text(value) or "" for value in frame[label].tolist() if isinstance(value, str))
    return bool(frame.attrs.get(CLASS_NAMES, {}).get(label)) or not all(map(INTEGER.fullmatch, texts))
