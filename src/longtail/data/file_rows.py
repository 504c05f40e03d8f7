"""The index of a table that was read from files: the file of each row, and its number or name within the file.

And what messages call a row, by its index.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.tables.file import pandas

if TYPE_CHECKING:
    from pandas import DataFrame, Index, Series

FILE_AND_ROW = ("file", "row")
LINE = "Line"
"""Name of an index that holds the line of the file from which each row was read."""


def file_rows(files: Sequence[str], lengths: Sequence[int]) -> Any:
    """The index of a table that files were joined to.

    Args:
        files: (F,) their names.
        lengths: (F,) how many rows each has.

    Example:
        >>> row_names(file_rows(["a.parquet", "b.parquet"], [2, 1]))
        ['a.parquet:0', 'a.parquet:1', 'b.parquet:0']
    """
    place = {file: number for number, file in enumerate(dict.fromkeys(files))}
    of_files = np.repeat([place[file] for file in files], lengths)
    rows = np.concatenate([np.arange(length) for length in lengths])
    levels = [_as_objects(list(place)), pandas().RangeIndex(max(lengths))]
    return pandas().MultiIndex(levels=levels, codes=[of_files, rows], names=FILE_AND_ROW)


def file_keys(files: Sequence[str], keys: Sequence[str]) -> Any:
    """The index of a table of samples that have names within their files.

    Args:
        files: (N,) the name of the file of each sample.
        keys: (N,) the name of each sample.

    Example:
        >>> row_names(file_keys(["a.tar", "b.tar"], ["x", "x"]))
        ['a.tar:x', 'b.tar:x']
    """
    return pandas().MultiIndex.from_arrays([_as_objects(files), _as_objects(keys)], names=FILE_AND_ROW)


def _as_objects(names: Sequence[str]) -> Any:
    """Names of files as they are: text of pandas would be of UTF-8 alone, which names need not be."""
    return pandas().Index(names, dtype=object)


def is_of_files(index: "Index[Any]") -> bool:
    """Whether an index was made by `file_rows` or `file_keys`."""
    return tuple(index.names) == FILE_AND_ROW


def row_names(index: "Index[Any]") -> list[str] | None:
    """(N,) FILE:ROW, rows counted from 0, or FILE:NAME; `None` for the index of another table."""
    return [f"{file}:{row}" for file, row in index] if is_of_files(index) else None


def place_of_row(table: "DataFrame | Series[Any]", row: int) -> str:
    """What to call a row in a message: by its line or row in a file, or by its index in memory."""
    if is_of_files(table.index):
        file, own = table.index[row]
        return f"{file}:{own}" if isinstance(own, str) else f"row {own} of {file}"
    return f"{'line' if table.index.name == LINE else 'row'} {table.index[row]}"


def place_at_start(table: "DataFrame | Series[Any]", row: int) -> str:
    """The same at the start of a sentence."""
    place = place_of_row(table, row)
    return place.capitalize() if place.startswith(("row ", "line ")) else place
