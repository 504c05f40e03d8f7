"""Scores of predictions, compared with those of the uncorrected model on the same samples."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from longtail.repair.candidates import Offsets
from longtail.repair.cross_fitting import CrossFitted
from longtail.repair.findings import Outcome, Scores
from longtail.repair.intervals import interval_of_gain
from longtail.repair.metrics import Metric, recalls


@dataclass(frozen=True)
class Judge:
    """Scores predictions on one set of labelled samples.

    Attributes:
        metric: the metric.
        target: (N,) class indices.
        weight: (N,) sample weights.
        raw: (N,) predictions of the uncorrected model.
        parts: groups of classes by name, (C,) booleans each.
        level: confidence level of the intervals.
        groups: (N,) samples of one group are not independent; or None.
    """

    metric: Metric
    target: np.ndarray
    weight: np.ndarray
    raw: np.ndarray
    parts: dict[str, np.ndarray]
    level: float
    groups: np.ndarray | None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(next(iter(self.parts.values())))

    def scores(self, predicted: np.ndarray) -> Scores:
        """Scores of predictions (N,)."""
        recall, present = recalls(self.target, predicted, self.weight, self.num_classes)
        by_part = {
            name: float(recall[members & present].mean()) if (members & present).any() else None
            for name, members in self.parts.items()
        }
        score = self.metric.score(self.target, predicted, self.weight, self.num_classes)
        accuracy = float(np.average(self.target == predicted, weights=self.weight))
        return Scores(score, by_part, accuracy, np.where(present, recall, np.nan))

    def interval(self, predicted: np.ndarray) -> tuple[float, float]:
        """Bootstrap interval of the gain over the uncorrected model."""
        return interval_of_gain(
            self.metric,
            self.target,
            self.raw,
            predicted,
            self.num_classes,
            level=self.level,
            groups=self.groups,
            weight=self.weight,
        )

    def outcome(self, name: str, fitted: CrossFitted) -> Outcome:
        """The results of a candidate."""
        scores = self.scores(fitted.predicted)
        gain = scores.score - self.scores(self.raw).score
        curve = {strength: self.scores(decisions) for strength, decisions in fitted.curve.items()}
        offset = fitted.strength * fitted.served.direction if isinstance(fitted.served, Offsets) else None
        return Outcome(name, scores, gain, self.interval(fitted.predicted), fitted.strength, curve, offset)

    def resolution(self, fits: Iterable[CrossFitted]) -> float:
        """Half the width of the widest gain interval at τ = 1: smaller gains could not be detected."""
        intervals = [self.interval(fitted.curve[1.0]) for fitted in fits]
        return max((high - low) / 2 for low, high in intervals)
