"""Columns of a table of predictions: their types and values, with errors that name the row.

Of several processes that share the rows, each holds some of them; a column is gathered when its values are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from longtail.data.tables.file import EMPTY, pandas
from longtail.printable import printable
from longtail.repair.processes import ALL, Share
from longtail.repair.reading.raw import Rows

if TYPE_CHECKING:
    from pandas import DataFrame, Series

LONGEST = 40


class _Values(NamedTuple):
    """Whether a column holds numbers, apart from booleans, and whether all its cells are empty."""

    numeric: bool
    empty: bool


@dataclass(frozen=True)
class Table:
    """A pandas table with string column names.

    Attributes:
        frame: the rows of this process.
        rows: the origin of all rows.
        share: which of them `frame` holds.
    """

    frame: "DataFrame"
    rows: Rows
    share: Share = ALL
    _gathered: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.frame.columns)

    def kind(self, name: str) -> str:
        """The type of a column: "numbers" (also if some cells are not), "text" or "nothing"."""
        parts = [own[name] for own in self._values]
        if all(own.numeric for own in parts):
            return "nothing" if all(own.empty for own in parts) else "numbers"
        if pandas().api.types.is_bool_dtype(self._column(name).dtype):
            return "text"
        cells = [cell for cell in self.cells(name) if cell is not None]
        if not cells:
            return "nothing"
        return "text" if np.isnan(_as_floats(cells)).mean() >= 0.5 else "numbers"

    def cells(self, name: str) -> list[Any]:
        """(N,) values; None for empty cells."""
        return _cells(self._column(name))

    def numbers(self, name: str) -> np.ndarray:
        """(N,) finite float64.

        Raises:
            ValueError: a cell is empty, infinite or not a number.
        """
        return self._finite(self._column(name).to_frame(), 0, masked=False)[:, 0]

    def scores(self, names: Sequence[str], *, masked: bool) -> np.ndarray:
        """(M, len(names)) finite float64 of this process's rows; with `masked` also -inf, of a class that is masked.

        Raises:
            ValueError: a cell is empty, infinite or not a number.
        """
        return self._finite(self.frame[list(names)], self.share.first, masked=masked)

    def _finite(self, part: Any, first: int, *, masked: bool) -> np.ndarray:
        types, names = pandas().api.types, list(part.columns)
        if all(types.is_numeric_dtype(dtype) for dtype in part.dtypes):
            values: np.ndarray = part.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = np.stack([_as_floats(_cells(part[name])) for name in names], axis=1)
        finite = np.isfinite(values) | (masked & (values == -np.inf))
        if not finite.all():
            row, place = np.argwhere(~finite)[0]
            cell = _cells(part[names[place]])[row]
            where = f"{self.rows.at(first + int(row))}, column {printable(names[place], lines=False)}"
            raise ValueError(_bad_cell(cell, where, values[row, place]))
        return np.asarray(values)

    def texts(self, name: str) -> np.ndarray:
        """(N,) strings.

        Raises:
            ValueError: an empty cell.
        """
        cells = self.cells(name)
        if None in cells:
            raise ValueError(
                f"{self.rows.at(cells.index(None))}, column {printable(name, lines=False)}: the cell is empty"
            )
        return np.array([str(cell).strip() for cell in cells])

    @cached_property
    def _values(self) -> list[dict[str, _Values]]:
        """What the columns of each process hold: scores are too many to be gathered."""
        types = pandas().api.types
        own = {}
        for name in self.names:
            column = self.frame[name]
            numeric = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
            own[name] = _Values(numeric, numeric and bool(column.isna().all()))
        return self.share.processes.gathered("columns", own)

    def _column(self, name: str) -> Any:
        """A column with the rows of all processes."""
        if self.share.processes.number == 1:
            return self.frame[name]
        if name not in self._gathered:
            parts = self.share.processes.gathered(f"column {name}", self.frame[name])
            self._gathered[name] = pandas().concat(parts, ignore_index=True)
        return self._gathered[name]


def _bad_cell(cell: Any, where: str, value: float) -> str:
    if cell is None:
        return f"{where}: the cell is empty"
    if np.isinf(value):
        return f"{where}: {value} must be finite."
    hint = " Write 0.9 for 90%." if str(cell).strip().endswith("%") else ""
    text = str(cell) if len(str(cell)) <= LONGEST else f"{str(cell)[:LONGEST]}…"
    return f"{where}: {text!r} is not a number.{hint}"


def _cells(column: "Series[Any]") -> list[Any]:
    """The values of a column; None for empty cells."""
    cells = column.astype(object)
    missing = cells.isna().tolist()
    return [
        None if gone or (isinstance(cell, str) and cell.strip() in EMPTY[:1]) else cell
        for cell, gone in zip(cells.tolist(), missing, strict=True)
    ]


def _as_floats(cells: list[Any]) -> np.ndarray:
    pd = pandas()
    values = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
