"""Rows of a table of features that is too large to be loaded as float32: mapped from a file, or in half precision."""

import mmap
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

ROWS_AT_ONCE = 1024
RESIDENT = 1 << 27
"""Bytes of a mapped file that may stay in the memory of the process; beyond them, its pages are released."""
PAGES_OF_A_FAULT = 16
"""Pages that Linux maps around a page that is read."""

Rows = slice | np.ndarray


class FeatureRows:
    """Some rows of a table, read when they are needed.

    Args:
        table: (M, D) floating point, in memory or mapped from a file; it is neither copied nor converted.
        rows: (N,) indices into the table; by default all.

    Example:
        >>> rows = FeatureRows(np.arange(6, dtype=np.float16).reshape(3, 2)).take(np.array([2, 0]))
        >>> rows.shape, rows[:1]
        ((2, 2), array([[4., 5.]], dtype=float32))
    """

    dtype = np.dtype(np.float32)

    def __init__(self, table: np.ndarray, rows: np.ndarray | None = None) -> None:
        self.table, self.rows = table, rows
        self._mapped = mapping_of(table)
        self._touched = 0

    def __len__(self) -> int:
        return len(self.table if self.rows is None else self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self), self.table.shape[1]

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield from self[start : start + ROWS_AT_ONCE]

    def __getitem__(self, rows: Rows) -> np.ndarray:
        """The rows as float32."""
        return np.ascontiguousarray(self.read(rows), dtype=np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def read(self, rows: Rows) -> np.ndarray:
        """The rows in the precision of the table, copied out of a mapped file."""
        found = self.table[rows if self.rows is None else self.rows[rows]]
        copied = np.array(found)
        scattered = self.rows is not None or isinstance(rows, np.ndarray)
        self._touched += max(copied.nbytes, len(copied) * PAGES_OF_A_FAULT * mmap.PAGESIZE if scattered else 0)
        if self._touched > RESIDENT:
            self.give_back()
        return copied

    def take(self, rows: np.ndarray) -> Self:
        """The rows at these indices, in their order; nothing is read."""
        return type(self)(self.table, rows if self.rows is None else self.rows[rows])

    def give_back(self) -> None:
        """Take the pages of a mapped file out of the memory of the process; they stay in the system's cache."""
        if self._mapped is not None and hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
        self._touched = 0


def mapping_of(table: np.ndarray) -> mmap.mmap | None:
    """The file that a table is mapped from; `None` for a table in memory."""
    base: Any = table
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def is_mapped(table: np.ndarray) -> bool:
    """Whether a table is mapped from a file."""
    return mapping_of(table) is not None
