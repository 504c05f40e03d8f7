"""Columns of a table of predictions: their types and values, with errors that name the row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longtail.data.table_file import EMPTY, pandas
from longtail.printable import printable
from longtail.repair.reading.raw import Rows

LONGEST = 40


@dataclass(frozen=True)
class Table:
    """A pandas table with string column names, and the origin of its rows."""

    frame: Any
    rows: Rows

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.frame.columns)

    def kind(self, name: str) -> str:
        """The type of a column: "numbers" (also if some cells are not), "text" or "nothing"."""
        types = pandas().api.types
        column = self.frame[name]
        if types.is_bool_dtype(column.dtype):
            return "text"
        if types.is_numeric_dtype(column.dtype):
            return "nothing" if column.isna().all() else "numbers"
        cells = [cell for cell in self.cells(name) if cell is not None]
        if not cells:
            return "nothing"
        return "text" if np.isnan(_as_floats(cells)).mean() >= 0.5 else "numbers"

    def cells(self, name: str) -> list[Any]:
        """(N,) values; None for empty cells."""
        column = self.frame[name].astype(object)
        missing = column.isna().tolist()
        return [
            None if gone or (isinstance(cell, str) and cell.strip() in EMPTY[:1]) else cell
            for cell, gone in zip(column.tolist(), missing, strict=True)
        ]

    def numbers(self, names: Sequence[str], *, masked: bool = False) -> np.ndarray:
        """(N, len(names)) finite float64; with `masked` also -inf, the logit of a class that is masked.

        Raises:
            ValueError: a cell is empty, infinite or not a number.
        """
        types = pandas().api.types
        part = self.frame[list(names)]
        if all(types.is_numeric_dtype(dtype) for dtype in part.dtypes):
            values: np.ndarray = part.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = np.stack([_as_floats(self.cells(name)) for name in names], axis=1)
        finite = np.isfinite(values) | (masked & (values == -np.inf))
        if not finite.all():
            row, place = np.argwhere(~finite)[0]
            raise ValueError(self._bad_cell(int(row), names[place], values[row, place]))
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

    def _bad_cell(self, row: int, name: str, value: float) -> str:
        cell = self.cells(name)[row]
        where = f"{self.rows.at(row)}, column {printable(name, lines=False)}"
        if cell is None:
            return f"{where}: the cell is empty"
        if np.isinf(value):
            return f"{where}: {value} must be finite."
        hint = " Write 0.9 for 90%." if str(cell).strip().endswith("%") else ""
        text = str(cell) if len(str(cell)) <= LONGEST else f"{str(cell)[:LONGEST]}…"
        return f"{where}: {text!r} is not a number.{hint}"


def _as_floats(cells: list[Any]) -> np.ndarray:
    pd = pandas()
    values = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
