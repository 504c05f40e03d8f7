"""What one file or object of predictions holds, before its scores are told to be logits or probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Where a row stands: its file and its number there, counted from 1, without a header.

    Example:
        >>> Rows((("a.csv", 2), ("b.csv", 5))).at(3)
        'b.csv, row 2'
    """

    files: tuple[tuple[str, int], ...]

    @classmethod
    def of_all(cls, parts: Sequence["Rows"]) -> "Rows":
        """The rows of several, one after the other."""
        return cls(tuple(file for part in parts for file in part.files))

    def at(self, row: int) -> str:
        """The file and the number of a row that is counted from 0 through all files."""
        for name, number in self.files:
            if row < number:
                return f"{name}, row {row + 1}"
            row -= number
        raise IndexError(row)

    @property
    def where(self) -> str:
        """The files."""
        first = self.files[0][0]
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    def __len__(self) -> int:
        return sum(number for _, number in self.files)


@dataclass(frozen=True)
class RawPredictions:
    """Scores of a kind that is still to be checked, and labels as indices.

    Attributes:
        scores: (N, C) float32 or float64.
        target: (N,) class indices int64.
        rows: where each row stands.
        named_kind: "logits" or "probabilities" where the file tells, else None.
        class_names: (C,) or None.
        class_counts: (C,) or None.
        groups: (N,) texts or None.
        sample_weight: (N,) or None.
    """

    scores: np.ndarray
    target: np.ndarray
    rows: Rows
    named_kind: str | None = None
    class_names: tuple[str, ...] | None = None
    class_counts: np.ndarray | None = None
    groups: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
