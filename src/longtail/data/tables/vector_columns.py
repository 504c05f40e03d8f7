"""Columns of vectors, such as embeddings: each becomes one column per number, `name[0]`, `name[1]`, …."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from longtail.data.counted import counted
from longtail.data.tables.file import pandas, refuse_repeated

if TYPE_CHECKING:
    from pandas import DataFrame, Series

NUMBER = re.compile(r"(.*)\[(\d{1,9})\]", re.DOTALL)


def with_numbers(frame: "DataFrame", names: Iterable[str] | None = None) -> "DataFrame":
    """A pandas table in which columns of vectors of one length are replaced by columns of their numbers.

    Args:
        frame: the table.
        names: the columns that may hold vectors; by default all.

    Returns:
        A new table; `frame` itself if it has no such column.

    Example:
        >>> import pandas as pd
        >>> with_numbers(pd.DataFrame({"id": [1, 2], "embedding": [[0.5, 1.0], [2.0, 0.0]]})).columns.tolist()
        ['id', 'embedding[0]', 'embedding[1]']
    """
    looked_at = set(frame.columns if names is None else names)
    columns = list(frame.items())  # by place: names may be there twice
    vectors = [vectors_of(column) if name in looked_at else None for name, column in columns]
    if all(found is None for found in vectors):
        return frame
    parts = [_part(column, found) for (_, column), found in zip(columns, vectors, strict=True)]
    whole: DataFrame = pandas().concat(parts, axis=1)
    return whole


def _part(column: "Series[Any]", vectors: np.ndarray | None) -> "DataFrame | Series[Any]":
    if vectors is None:
        return column
    names = list(_names(column.name, vectors.shape[1]))
    numbers: DataFrame = pandas().DataFrame(vectors, index=column.index, columns=names)
    return numbers


def vectors_of(column: "Series[Any]") -> np.ndarray | None:
    """(N, D) the numbers of a column of vectors, NaN in rows without a vector; `None` if it holds anything else.

    Vectors of different lengths, such as tokens of texts, are not features.
    """
    if column.dtype.kind != "O" or not holds_vectors(column):
        return None
    rows = [as_array(row) for row in column.tolist()]
    sizes = {len(row) for row in rows if _is_vector(row)}
    if len(sizes) != 1 or not all(_is_vector(row) or _is_missing(row) for row in rows):
        return None
    missing = [np.nan] * sizes.pop()
    try:
        found = _numbers(np.array([row if _is_vector(row) else missing for row in rows]))
    except (ValueError, OverflowError):  # vectors in vectors, of different lengths; integers beyond any float
        return None
    return found if found.ndim == 2 and found.shape[1] and found.dtype.kind in "biuf" else None


def holds_vectors(column: "Series[Any]") -> bool:
    """Whether the first value that is not missing is a list, an array or a tensor."""
    return _is_vector(next((value for value in column if not _is_missing(value)), None))


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
    """The values of a row by name; the numbers of vectors are named as in `with_numbers`.

    Raises:
        ValueError: two of them have the same name.
    """
    numbers: list[tuple[str, Any]] = []
    for name in row.keys():  # noqa: SIM118 - rows of databases iterate over their values
        value = as_array(row[name])
        numbers += zip(_names(name, len(value)), value, strict=True) if _is_vector(value) else [(name, value)]
    by_name = dict(numbers)
    if len(by_name) < len(numbers):
        refuse_repeated([name for name, _ in numbers], "a row")
    return by_name


def refuse_longer(given: Container[str], names: Sequence[str], where: str) -> None:
    """Raise if a vector is longer than that whose numbers have these names: it is of another kind, not one to cut.

    Raises:
        ValueError: one is.
    """
    for name, size in _sizes(tuple(names)).items():
        if f"{name}[{size}]" in given:
            raise ValueError(
                f"{where} must hold {counted(size, 'number', 'numbers')} in {name!r}, as in training. It holds more, "
                f"such as {name}[{size}]: pass vectors of the same kind."
            )


@lru_cache(maxsize=4)
def _sizes(names: tuple[str, ...]) -> dict[str, int]:
    """The length of each vector whose numbers have these names."""
    sizes: dict[str, int] = {}
    for found in filter(None, map(NUMBER.fullmatch, names)):
        sizes[found[1]] = max(sizes.get(found[1], 0), int(found[2]) + 1)
    return sizes


def as_array(value: Any) -> Any:
    """A tensor of any device and precision as an array; anything else as it is."""
    return value.detach().cpu().float().numpy() if isinstance(value, Tensor) else value


def _names(name: Any, size: int) -> Iterable[str]:
    return (f"{name}[{place}]" for place in range(size))


def _numbers(vectors: np.ndarray) -> np.ndarray:
    """Numbers of mixed types, or beside missing ones (null in JSON), as floats; anything else as it is."""
    if vectors.dtype.kind != "O" or vectors.ndim != 2:
        return vectors
    missing = pandas().isna(vectors)
    if not all(issubclass(kind, Real) for kind in set(map(type, vectors[~missing]))):
        return vectors
    return np.where(missing, np.nan, vectors).astype(np.float64)


def _is_vector(value: object) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, (np.ndarray, Tensor)) and value.ndim > 0)


def _is_missing(value: object) -> bool:
    return value is None or value is pandas().NA or (isinstance(value, float) and value != value)
