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
LIKE_A_FRACTION = 0.1  # limits of a tenth of a percentage point or less are rare, those of 10 % are not


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
        for name, limit in self._by_name().items():
            if not 0 <= limit <= POINTS:
                raise ValueError(f"`{name}` must be in percentage points, between 0 and 100. Got {limit}.")

    def notes(self) -> list[str]:
        """A note on each limit that is so small that a fraction may have been meant.

        Example:
            >>> Limits(accuracy_loss=0.02, class_loss=5).notes()
            ['--max-accuracy-loss 0.02 is 0.02 percentage points. For 2 points: --max-accuracy-loss 2']
        """
        options = {f"--{name.replace('_', '-')}": limit for name, limit in self._by_name().items()}
        return [
            f"{option} {limit:g} is {limit:g} percentage points. For {POINTS * limit:g} points: {option} "
            f"{POINTS * limit:g}"
            for option, limit in options.items()
            if 0 < limit <= LIKE_A_FRACTION
        ]

    def _by_name(self) -> dict[str, float]:
        """The limits that are set."""
        named = {"max_accuracy_loss": self.accuracy_loss, "max_class_loss": self.class_loss}
        return {name: limit for name, limit in named.items() if limit is not None}


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

    def rated(self, options: Mapping[Option, Decisions]) -> "RatedOptions":
        """The options that keep the limits, each rated once. Those of τ = 0 (the uncorrected model) always do."""
        allowed = {option: own for option, own in options.items() if self.allows(own)}
        gains = {option: self._gain(own) for option, own in allowed.items()}
        changed = {option: self._changed(own) for option, own in allowed.items()}
        return RatedOptions(self.judge, allowed, gains, changed)

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
        """The smoothed gain over the uncorrected model, on average over the repeats."""
        return float(np.mean([self.judge.smoothed_gain(own) for own in decisions]))


@dataclass(frozen=True)
class RatedOptions:
    """Options that keep the limits, with what a choice needs.

    Attributes:
        judge: scores predictions on the samples.
        decisions: of each option.
        gains: in the metric over the uncorrected model, smoothed, on average over the repeats.
        changed: the weight of the samples whose predictions change, on average over the repeats.
    """

    judge: Judge
    decisions: Mapping[Option, Decisions]
    gains: Mapping[Option, float]
    changed: Mapping[Option, float]

    def best(self, candidate: str | None = None) -> Option:
        """The option to serve: of all options, or of those of one candidate."""
        options = [option for option in self.decisions if candidate in (None, option.candidate)]
        best = max(options, key=lambda option: (round(self.gains[option], 12), -option.strength))
        for option in sorted(options, key=lambda option: (self.changed[option], -self.gains[option])):
            lacking = self.gains[best] - self.gains[option]
            if lacking <= 1e-12 or lacking <= self._error(option, best):
                return option
        return best

    def _error(self, one: Option, other: Option) -> float:
        pairs = zip(self.decisions[one], self.decisions[other], strict=True)
        return float(np.mean([self.judge.standard_error(before, after) for before, after in pairs]))
