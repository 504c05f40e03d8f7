"""Labelled logits, in memory or memory-mapped, read in blocks; several processes may share them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from longtail.data.check import Progress
from longtail.data.most_of_each import most_of_each_class
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.parts import M
from longtail.repair.margins import MASKED_LOGIT, own_margins
from longtail.repair.processes import ALL, Share

LEAST_ROWS = 64  # of a block: matrix products are slow with fewer
FEW_NUMBERS = 2**20  # logits: 8 MiB


@dataclass(frozen=True)
class Samples:
    """The samples of a diagnosis.

    Of several processes that share them, each holds some of the logits, and everything else of all samples.

    Attributes:
        logits: (M, C) float32 or float64, those of this process; −inf for classes that are masked, finite for the
            sample's own class.
        target: (N,) class indices int64.
        weight: (N,) positive sample weights.
        rows: (N,) ascending row indices into the logits of all processes; None for all rows.
        scale: by which the logits are multiplied as they are read.
        margin: (N,) logit of each sample's class minus the best of the others, unscaled; None if unknown.
        progress: called with the step and the completed share of its pass, in (0, 1].
        share: which rows of all `logits` holds.
    """

    logits: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    rows: np.ndarray | None = None
    scale: float = 1.0
    margin: np.ndarray | None = None
    progress: Progress | None = None
    share: Share = ALL

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

    @property
    def own(self) -> slice:
        """The samples whose logits this process holds."""
        held = self.share.own(len(self.logits))
        if self.rows is None:
            return held
        start, stop = np.searchsorted(self.rows, [held.start, held.stop])
        return slice(int(start), int(stop))

    def gathered(self, step: str, own: np.ndarray) -> np.ndarray:
        """(…, N) values of all samples, from those of this process's samples."""
        return self.share.processes.concatenated(step, own, axis=-1)

    def merged(self, step: str, own: M) -> M:
        """A statistic of all samples, from that of this process's samples."""
        return self.share.processes.merged(step, own)

    def together(self) -> "Samples":
        """The same with all logits in each process."""
        if self.share.processes.number == 1:
            return self
        logits = self.logits if self.rows is None else self.logits[self.rows[self.own] - self.share.first]
        logits = self.share.processes.concatenated("logits of a subsample", logits)
        return replace(self, logits=logits, rows=None, share=ALL)

    def together_if_few(self) -> "Samples":
        """The same; of few samples all logits in each process, where many exchanges would take longer than a pass."""
        return self.together() if len(self) * self.num_classes <= FEW_NUMBERS else self

    def blocks(
        self, step: str, *, precise: bool = True, least_rows: int = LEAST_ROWS
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """One pass over this process's samples: the slice of each block, and a copy of its logits, which is finite.

        Args:
            step: name of the pass for `progress`.
            precise: float64 copies; off, in the precision of the logits.
            least_rows: of a block, but for the last.
        """
        dtype = np.float64 if precise else self.logits.dtype.type
        least = dtype(max(MASKED_LOGIT, float(np.finfo(dtype).min) / 1e8))
        own, first = self.own, self.share.first
        for block_of_own in row_blocks(own.stop - own.start, self.num_classes, least_rows):
            part = slice(own.start + block_of_own.start, own.start + block_of_own.stop)
            rows = slice(part.start - first, part.stop - first) if self.rows is None else self.rows[part] - first
            block = self.logits[rows].astype(dtype)
            if self.scale != 1.0:
                block *= dtype(self.scale)
            yield part, np.maximum(block, least, out=block)
            if self.progress is not None:
                self.progress(step, block_of_own.stop / (own.stop - own.start))

    def where(self, kept: np.ndarray) -> "Samples":
        """The samples of a mask (N,)."""
        if kept.all():
            return self
        rows = np.flatnonzero(kept) if self.rows is None else self.rows[kept]
        margin = None if self.margin is None else self.margin[kept]
        return replace(self, target=self.target[kept], weight=self.weight[kept], rows=rows, margin=margin)

    def with_margins(self, step: str) -> "Samples":
        """The same, with known margins: one pass."""
        found = np.empty(len(self.target[self.own]))
        for part, logits in replace(self, scale=1.0).blocks(step):
            found[part.start - self.own.start : part.stop - self.own.start] = own_margins(logits, self.target[part])
        return replace(self, margin=self.gathered(step, found))

    def margins(self, step: str) -> np.ndarray:
        """(N,) logit of each sample's class minus the best of the others, in one pass if they are unknown."""
        margin = self.with_margins(step).margin if self.margin is None else self.margin
        assert margin is not None
        return margin * self.scale

    def drawn(self, number: int, weight: np.ndarray) -> "Samples":
        """About `number` samples, each of weight 1, drawn with probabilities in proportion to `weight` (N,).

        Systematic sampling, at evenly spaced points of the cumulative weight in the order of the margins. So the draw
        represents the margins, and it does not depend on the order of samples or classes, or on the scale of the
        logits.
        """
        by_margin = np.argsort(self.margins("subsample"), kind="stable")
        points = (np.arange(number) + 0.5) / number * weight.sum()
        places = np.searchsorted(np.cumsum(weight[by_margin]), points).clip(max=len(self) - 1)
        kept = np.zeros(len(self), dtype=bool)
        kept[by_margin[places]] = True
        found = self.where(kept).together_if_few()
        return replace(found, weight=np.ones(len(found)))

    def thinned(self, numbers: int) -> "Samples":
        """The samples of `thinning`."""
        return self.where(self.thinning(numbers)).together_if_few()

    def thinning(self, numbers: int) -> np.ndarray:
        """A class-balanced subsample of at most about `numbers` values, (N,) booleans: smaller classes are kept whole.

        Of a larger class, samples at evenly spaced ranks of the margin are kept. So the subsample represents the
        margins, and it does not depend on the order of samples or classes, or on the scale of the logits. (Only samples
        of equal margins are exchangeable.)
        """
        most = max(1, numbers // self.num_classes)
        counts = np.bincount(self.target, minlength=self.num_classes)
        if len(self) <= most:
            return np.ones(len(self), dtype=bool)
        each = most_of_each_class(counts, most)
        by_class = np.lexsort((self.margins("subsample"), self.target))
        rank = np.arange(len(self)) - np.repeat(np.cumsum(counts) - counts, counts)
        size = np.repeat(counts, counts)
        before, after = ((2 * each * bound + size) // (2 * size) for bound in (rank, rank + 1))
        kept = np.zeros(len(self), dtype=bool)
        kept[by_class[(size <= each) | (after > before)]] = True  # a step at `each` evenly spaced ranks
        return kept
