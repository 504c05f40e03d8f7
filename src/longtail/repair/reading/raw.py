"""Predictions of one file or object, before their scores are checked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longtail.metrics.groups import USUAL, GroupBounds
from longtail.repair.processes import ALL, Processes, Share


@dataclass(frozen=True)
class Rows:
    """The origin of rows: their file and their number in it, counted from 1, without a header.

    Example:
        >>> Rows((("a.csv", 2), ("b.csv", 5))).at(3)
        'b.csv, row 2'
    """

    files: tuple[tuple[str, int], ...]

    @classmethod
    def of_all(cls, parts: Sequence["Rows"]) -> "Rows":
        """The concatenated rows of several files."""
        return cls(tuple(file for part in parts for file in part.files))

    @classmethod
    def over(cls, processes: Processes, own: "Rows") -> tuple["Rows", Share]:
        """The rows of all processes, and which of them are this one's."""
        parts = processes.gathered("rows", own)
        return cls.of_all(parts), Share(processes, sum(map(len, parts[: processes.rank])))

    def at(self, row: int) -> str:
        """The file and number of a row, given its index (from 0) over all files."""
        for name, number in self.files:
            if row < number:
                return f"{name}, row {row + 1}"
            row -= number
        raise IndexError(row)

    @property
    def where(self) -> str:
        """The files, for messages."""
        first = self.files[0][0]
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    def __len__(self) -> int:
        return sum(number for _, number in self.files)


@dataclass(frozen=True)
class RawPredictions:
    """Scores that are not checked yet, and labels as indices.

    Attributes:
        scores: (N, C) float32 or float64; of several processes that share the rows, those of this one. All else is of
            all rows.
        target: (N,) class indices int64.
        rows: the origin of the rows.
        named_kind: "logits" or "probabilities" if the name of the array says so, else None.
        class_names: (C,) or None.
        class_counts: (C,) or None.
        groups: (N,) strings or None.
        sample_weight: (N,) or None.
        share: which rows `scores` holds.
        bounds: of the groups many, medium and few.
    """

    scores: np.ndarray
    target: np.ndarray
    rows: Rows
    named_kind: str | None = None
    class_names: tuple[str, ...] | None = None
    class_counts: np.ndarray | None = None
    groups: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    share: Share = ALL
    bounds: GroupBounds = USUAL
