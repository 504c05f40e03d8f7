"""Which candidate and which τ are served: the smallest change that is as good as the best one, within limits.

A score of few samples is flat at its maximum, and noise moves the maximum to strong corrections, which cost the head
much for no gain. So the one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984, holds:
of all options whose score is within one standard error of the best, the one that changes the fewest decisions.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from longtail.repair.judge import Judge

POINTS = 100


class Option(NamedTuple):
    """A candidate by its name, and τ."""

    candidate: str
    strength: float


@dataclass(frozen=True)
class Limits:
    """What a correction may cost at most, in percentage points; None for no limit.

    Attributes:
        accuracy_loss: of the accuracy on these samples.
        class_loss: of the recall of any class, smoothed as in intervals: one sample of a rare class says little.
    """

    accuracy_loss: float | None = None
    class_loss: float | None = None

    def __post_init__(self) -> None:
        for name, limit in (("max_accuracy_loss", self.accuracy_loss), ("max_class_loss", self.class_loss)):
            if limit is not None and not 0 <= limit <= POINTS:
                raise ValueError(f"`{name}` must be in percentage points, between 0 and 100. Got {limit}.")


Decisions = Sequence[np.ndarray]
"""(N,) predictions of an option, for each repeat of the cross-fitting."""


@dataclass(frozen=True)
class Chooser:
    """Chooses among options by their predictions on labelled samples.

    Attributes:
        judge: scores predictions on the samples.
        limits: an option that breaks one is never chosen.
    """

    judge: Judge
    limits: Limits = Limits()

    def where(self, kept: np.ndarray) -> "Chooser":
        """On the samples of a mask (N,)."""
        return dataclasses.replace(self, judge=self.judge.where(kept))

    def among(self, options: Mapping[Option, Decisions]) -> Option:
        """The option to serve. Those of τ = 0, the uncorrected model, break no limit."""
        allowed = {option: own for option, own in options.items() if self.allows(own)}
        gains = {option: self._gain(own) for option, own in allowed.items()}
        best = max(gains, key=lambda option: (round(gains[option], 12), -option.strength))
        changed = {option: self._changed(own) for option, own in allowed.items()}
        for option in sorted(allowed, key=lambda option: (changed[option], -gains[option])):
            lacking = gains[best] - gains[option]
            if lacking <= 1e-12 or lacking <= self._error(allowed[option], allowed[best]):
                return option
        return best

    def allows(self, decisions: Decisions) -> bool:
        """Whether predictions keep the limits, on average over the repeats."""
        if self.limits.accuracy_loss is not None:
            before = self.judge.accuracy(self.judge.raw)
            loss = [before - self.judge.accuracy(own) for own in decisions]
            if POINTS * np.mean(loss) > self.limits.accuracy_loss + 1e-9:
                return False
        if self.limits.class_loss is not None:
            change = np.mean([self.judge.smoothed_changes(own) for own in decisions], axis=0)
            return bool(-POINTS * change.min() <= self.limits.class_loss + 1e-9)
        return True

    def _changed(self, decisions: Decisions) -> float:
        """The weight of the samples whose predictions change, on average over the repeats."""
        return float(np.mean([self.judge.weight[self.judge.raw != own].sum() for own in decisions]))

    def _gain(self, decisions: Decisions) -> float:
        """Over the uncorrected model, smoothed, on average over the repeats."""
        return float(np.mean([self.judge.smoothed_gain(self.judge.raw, own)[0] for own in decisions]))

    def _error(self, one: Decisions, other: Decisions) -> float:
        return float(np.mean([self.judge.smoothed_gain(a, b)[1] for a, b in zip(one, other, strict=True)]))
