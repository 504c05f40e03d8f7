"""Scores of predictions, compared with those of the uncorrected model on the same samples."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from longtail.repair.findings import Scores
from longtail.repair.intervals import (
    GainEstimate,
    estimate_of_gain,
    smoothed_changes_of_recall,
    smoothed_gain,
    standard_error,
)
from longtail.repair.labels import Labels
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

    @cached_property
    def labels(self) -> Labels:
        """Those of the samples."""
        return Labels(self.target, self.num_classes, self.weight, self.groups)

    def where(self, kept: np.ndarray) -> "Judge":
        """On the samples of a mask (N,)."""
        groups = None if self.groups is None else self.groups[kept]
        return dataclasses.replace(
            self, target=self.target[kept], weight=self.weight[kept], raw=self.raw[kept], groups=groups
        )

    def scores(self, predicted: np.ndarray) -> Scores:
        """Scores of predictions (N,)."""
        recall, present = recalls(self.target, predicted, self.weight, self.num_classes)
        by_part = {
            name: float(recall[members & present].mean()) if (members & present).any() else None
            for name, members in self.parts.items()
        }
        return Scores(self.score(predicted), by_part, self.accuracy(predicted), np.where(present, recall, np.nan))

    def accuracy(self, predicted: np.ndarray) -> float:
        """Of predictions (N,), as frequent as the classes are here."""
        return float(np.average(self.target == predicted, weights=self.weight))

    def score(self, predicted: np.ndarray) -> float:
        """The metric of predictions (N,)."""
        return self.metric.score(self.target, predicted, self.weight, self.num_classes)

    def estimate(self, predicted: Sequence[np.ndarray]) -> GainEstimate:
        """The gain over the uncorrected model, with its interval, of the predictions (N,) of one or several repeats."""
        return estimate_of_gain(self.metric, self.labels, self.raw, predicted, level=self.level)

    def smoothed_gain(self, predicted: np.ndarray) -> float:
        """`smoothed_gain` of predictions (N,) over the uncorrected model."""
        return smoothed_gain(self.metric, self.labels, self.raw, predicted)

    def standard_error(self, before: np.ndarray, after: np.ndarray) -> float:
        """`standard_error` of the difference of the scores of two predictions (N,)."""
        return standard_error(self.metric, self.labels, before, after)

    def smoothed_changes(self, predicted: np.ndarray) -> np.ndarray:
        """(C,) `smoothed_changes_of_recall` over the uncorrected model."""
        return smoothed_changes_of_recall(self.labels, self.raw, predicted)
