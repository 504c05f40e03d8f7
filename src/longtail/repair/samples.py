"""Labelled logits, in memory or memory-mapped, read in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from longtail.posthoc.blocks import row_blocks

LEAST_ROWS = 64  # of a block: matrix products are slow with fewer
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Samples:
    """The samples of a diagnosis.

    Attributes:
        logits: (M, C) float32 or float64, finite.
        target: (N,) class indices int64.
        weight: (N,) positive sample weights.
        rows: (N,) row indices into `logits`; None for all rows.
        progress: called with the step and the completed share of its pass, in (0, 1].
    """

    logits: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    rows: np.ndarray | None = None
    progress: Progress | None = None

    @classmethod
    def of(cls, logits: np.ndarray, target: np.ndarray) -> "Samples":
        """All rows, with weight 1."""
        return cls(logits, target, np.ones(len(target)))

    def __len__(self) -> int:
        return len(self.target)

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.logits.shape[1])

    def blocks(
        self, step: str, *, precise: bool = True, least_rows: int = LEAST_ROWS
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """One pass over the samples: the slice of each block, and a copy of its logits.

        Args:
            step: name of the pass for `progress`.
            precise: float64 copies; off, in the precision of the logits.
            least_rows: of a block, but for the last.
        """
        dtype = np.float64 if precise else self.logits.dtype
        for part in row_blocks(len(self), self.num_classes, least_rows):
            rows = part if self.rows is None else self.rows[part]
            yield part, self.logits[rows].astype(dtype)
            if self.progress is not None:
                self.progress(step, part.stop / len(self))

    def where(self, kept: np.ndarray) -> "Samples":
        """The samples of a mask (N,)."""
        rows = np.flatnonzero(kept) if self.rows is None else self.rows[kept]
        return replace(self, target=self.target[kept], weight=self.weight[kept], rows=rows)

    def thinned(self, numbers: int, seed: int = 0) -> "Samples":
        """A class-balanced random subsample of at most about `numbers` values: smaller classes are kept whole."""
        most = max(1, numbers // self.num_classes)
        counts = np.bincount(self.target, minlength=self.num_classes)
        if len(self) <= most:
            return self
        each = int(np.searchsorted(_kept_of(counts), most, side="right")) or 1
        order = np.random.default_rng(seed).permutation(len(self))
        by_class = order[np.argsort(self.target[order], kind="stable")]
        place = np.arange(len(self)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = np.zeros(len(self), dtype=bool)
        kept[by_class[place < each]] = True
        return self.where(kept)


def _kept_of(counts: np.ndarray) -> np.ndarray:
    """The number of samples that are kept with at most 1, 2, … per class."""
    larger = len(counts) - np.cumsum(np.bincount(counts))
    return np.cumsum(larger[:-1])
