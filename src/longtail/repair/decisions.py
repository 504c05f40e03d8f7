"""Decision rules on the logits of a trained model, each with a scaling factor τ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from longtail.repair.calibration import probabilities


class Decision(Protocol):
    """A fitted decision rule."""

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """Class indices (N,) for logits (N, C); `strength` is τ, and τ = 0 gives the argmax of the logits."""

    def decide_for_all(self, logits: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
        """(T, N) class indices for T ascending values of τ, the first of which is 0."""


@dataclass(frozen=True)
class Offsets:
    """argmax(z + τ · direction)."""

    direction: np.ndarray

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """See `Decision.decide`."""
        if strength == 0:
            return np.asarray(logits.argmax(1))
        return np.asarray((logits + (strength * self.direction).astype(logits.dtype)).argmax(1))

    def decide_for_all(self, logits: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
        """See `Decision.decide_for_all`.

        A class that wins at two values of τ wins at all between, because scores are linear in τ; so only samples whose
        class differs at both ends of a range are decided within it.
        """
        decided = np.empty((len(strengths), len(logits)), dtype=np.int64)
        for place in {0, len(strengths) - 1}:
            decided[place] = self.decide(logits, strengths[place])
        ranges = [(0, len(strengths) - 1, logits, np.arange(len(logits)))]
        while ranges:
            low, high, block, rows = ranges.pop()
            if high - low < 2:
                continue
            decided[low + 1 : high, rows] = decided[low, rows]
            open_ones = np.flatnonzero(decided[low, rows] != decided[high, rows])
            middle, block, rows = (low + high) // 2, block[open_ones], rows[open_ones]
            decided[middle, rows] = self.decide(block, strengths[middle])
            ranges += [(low, middle, block, rows), (middle, high, block, rows)]
        return decided


@dataclass(frozen=True)
class LeastCost:
    """The class of the least expected cost under calibrated probabilities: argmin_j Σ_c p_c cost_cj."""

    temperature: float
    offset: np.ndarray
    cost: np.ndarray

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """See `Decision.decide`; τ is 0 or 1."""
        if strength == 0:
            return np.asarray(logits.argmax(1))
        return np.asarray((probabilities(logits, self.temperature, self.offset) @ self.cost).argmin(1))

    def decide_for_all(self, logits: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
        """See `Decision.decide_for_all`."""
        return np.stack([self.decide(logits, strength) for strength in strengths])
