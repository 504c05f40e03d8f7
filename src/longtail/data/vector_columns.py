"""Columns of vectors, such as embeddings: each becomes one column per number, `name[0]`, `name[1]`, …."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.table_file import pandas

if TYPE_CHECKING:
    from pandas import DataFrame, Series

VECTORS = (list, tuple, np.ndarray)


def with_numbers(frame: "DataFrame", names: Iterable[str] | None = None) -> "DataFrame":
    """A pandas table in which columns of vectors of one length are replaced by columns of their numbers.

    Args:
        frame: the table; itself if it has no such column.
        names: the columns to look at; by default all.

    Example:
        >>> import pandas as pd
        >>> with_numbers(pd.DataFrame({"id": [1, 2], "embedding": [[0.5, 1.0], [2.0, 0.0]]})).columns.tolist()
        ['id', 'embedding[0]', 'embedding[1]']
    """
    looked_at = set(frame.columns if names is None else names)
    vectors = {name: vectors_of(frame[name]) for name in frame.columns if name in looked_at}
    if all(found is None for found in vectors.values()):
        return frame
    parts = [_part(frame, name, vectors.get(name)) for name in frame.columns]
    whole: DataFrame = pandas().concat(parts, axis=1)
    return whole


def _part(frame: "DataFrame", name: str, vectors: np.ndarray | None) -> "DataFrame":
    if vectors is None:
        return frame[[name]]
    names = list(_names(name, vectors.shape[1]))
    numbers: DataFrame = pandas().DataFrame(vectors, index=frame.index, columns=names)
    return numbers


def vectors_of(column: "Series[Any]") -> np.ndarray | None:
    """(N, D) numbers of a column of vectors, NaN where a row has none; `None` if it holds anything else.

    Vectors of different lengths, such as the tokens of texts, are no features.
    """
    if column.dtype.kind != "O" or not holds_vectors(column):
        return None
    rows = column.tolist()
    sizes = {len(row) for row in rows if isinstance(row, VECTORS)}
    if len(sizes) != 1 or not all(isinstance(row, VECTORS) or _is_missing(row) for row in rows):
        return None
    missing = [np.nan] * sizes.pop()
    try:
        found = np.array([row if isinstance(row, VECTORS) else missing for row in rows])
    except ValueError:  # vectors in vectors, of different lengths
        return None
    return found if found.ndim == 2 and found.shape[1] and found.dtype.kind in "biuf" else None


def holds_vectors(column: "Series[Any]") -> bool:
    """Whether the first value that is not missing is a list or an array."""
    return isinstance(next((value for value in column if not _is_missing(value)), None), VECTORS)


def is_written_vectors(column: "Series[Any]") -> bool:
    """Whether the first value that is not missing is a vector as Python and numpy print it, as in a CSV file."""
    value = next((value for value in column if not _is_missing(value)), None)
    text = value.strip() if isinstance(value, str) else ""
    numbers = text[1:-1].replace(",", " ").split()
    return text[:1] + text[-1:] in ("[]", "()") and bool(numbers) and all(map(_is_number, numbers))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "..."  # numpy shortens vectors of more than 1,000 numbers
    return True


def numbers_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row by name, in which numbers of vectors have names as in `with_numbers`."""
    numbers: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, VECTORS):
            numbers.update(zip(_names(name, len(value)), value, strict=True))
        else:
            numbers[name] = value
    return numbers


def _names(name: Any, size: int) -> Iterable[str]:
    return (f"{name}[{place}]" for place in range(size))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)
