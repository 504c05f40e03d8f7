"""What every metric has: a class prior, a score, and what each sample contributes to it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from longtail.repair.class_draws import ClassDraws


class Metric(ABC):
    """Interface of metrics.

    Attributes:
        decides_by_probability: whether the best prediction is the most probable class under the metric's prior.
        counts_predictions: whether the score depends on how often each class is predicted.
        name: name of the metric.
    """

    decides_by_probability: ClassVar[bool]
    counts_predictions: ClassVar[bool] = False
    name: str

    def prior(self, num_classes: int) -> np.ndarray:
        """(C,) class prior: uniform, unless a metric has its own."""
        return np.full(num_classes, 1 / num_classes)

    def score(self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int) -> float:
        """The score (larger is better) of predictions, where `count` holds sample weights."""
        worth = np.bincount(target, count * self.worth(target, predicted), num_classes)
        times = np.bincount(predicted, count, num_classes) if self.counts_predictions else None
        return float(self.of_sums(worth, np.bincount(target, count, num_classes), times))

    def worth(self, target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(N,) what each decision, or one decision for all samples, is worth: 1 where it is right, else 0."""
        return np.asarray(target == predicted)

    @abstractmethod
    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray | None = None) -> np.ndarray:
        """Scores (…) from weighted sums per class.

        Args:
            worth: (…, C) what the decisions on its samples are worth.
            support: (C,) its samples.
            predicted: (…, C) predictions of it, for a metric that counts them.
        """

    @abstractmethod
    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """(N,) what samples contribute to the means of their classes, whose sum the score is, or changes with.

        A class whose mean contribution changes by ε changes the score by ε, up to terms of higher order.
        """

    @abstractmethod
    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """(C,) how much one sample's contribution can differ between two decisions; 0 for a class without a part."""


class NonLinearMetric(Metric):
    """A metric that is not a weighted mean over the samples of each class, so that its interval needs draws."""

    @abstractmethod
    def bounds_of_gain(self, draws: ClassDraws) -> tuple[np.ndarray, np.ndarray]:
        """(D,) a lower and an upper bound of the gain of each draw."""


def recalls(
    target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The recall of each class (0 where it has no sample), and whether it has one."""
    support = np.bincount(target, count, num_classes)
    correct = np.bincount(target, count * (target == predicted), num_classes)
    present = support > 0
    return np.divide(correct, support, out=np.zeros(num_classes), where=present), present


def shares_of_present(share: np.ndarray, target: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(C,) shares of classes, renormalised over those that have a sample; 0 for the others."""
    of_present = share * (np.bincount(target, count, len(share)) > 0)
    return np.asarray(of_present / of_present.sum())
