"""Metrics that are weighted means over the samples of each class."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longtail.repair.metrics.contract import Metric, shares_of_present


@dataclass(frozen=True)
class BalancedAccuracy(Metric):
    """The mean recall of all classes that have a sample.

    Example:
        >>> target, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
        >>> BalancedAccuracy().score(target, predicted, np.ones(3), num_classes=2)
        0.75
    """

    name: str = "balanced accuracy"
    decides_by_probability: ClassVar[bool] = True

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray | None = None) -> np.ndarray:
        """In [0, 1]."""
        present = support > 0
        return np.asarray((worth[..., present] / support[present]).mean(-1))

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """One over the number of classes with samples, where right."""
        return np.asarray((target == predicted) * shares_of_present(np.ones(num_classes), target, count)[target])

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """One over the number of classes that have a sample."""
        return shares_of_present(np.ones(num_classes), target, count)


@dataclass(frozen=True)
class AccuracyUnder(Metric):
    """The accuracy under a class prior.

    Args:
        of: (C,) probabilities.
        name: name of the metric.

    Example:
        >>> target, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
        >>> round(AccuracyUnder((0.8, 0.2)).score(target, predicted, np.ones(3), num_classes=2), 3)
        0.6
    """

    of: tuple[float, ...]
    name: str = "accuracy"
    decides_by_probability: ClassVar[bool] = True

    def prior(self, num_classes: int) -> np.ndarray:
        """The given prior."""
        if len(self.of) != num_classes:
            raise ValueError(f"`prior` must have {num_classes} values, one per class. Got {len(self.of)}.")
        return np.asarray(self.of)

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray | None = None) -> np.ndarray:
        """In [0, 1]; the prior is renormalised over classes with samples."""
        return _mean_under(self.prior(len(support)), worth, support)

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """The prior of the class, where right."""
        return np.asarray((target == predicted) * shares_of_present(self.prior(num_classes), target, count)[target])

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """The prior, of the classes that have a sample."""
        return shares_of_present(self.prior(num_classes), target, count)


@dataclass(frozen=True, eq=False)
class ExpectedCost(Metric):
    """Minus the expected cost of a prediction under a class prior.

    Args:
        cost: (C, C), finite; row c, column j: the cost of predicting j for class c.
        of: (C,) probabilities.

    Example:
        >>> metric = ExpectedCost(np.array([[0.0, 1.0], [5.0, 0.0]]), (0.5, 0.5))
        >>> target, predicted = np.array([0, 0, 1]), np.array([0, 1, 0])
        >>> metric.score(target, predicted, np.ones(3), num_classes=2)
        -2.75
    """

    cost: np.ndarray
    of: tuple[float, ...]
    name: str = "minus the expected cost"
    decides_by_probability: ClassVar[bool] = False

    def prior(self, num_classes: int) -> np.ndarray:
        """The given prior."""
        return np.asarray(self.of)

    def worth(self, target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(N,) minus the costs."""
        return np.asarray(-self.cost[target, predicted])

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray | None = None) -> np.ndarray:
        """In the unit of the costs; the prior is renormalised over classes with samples."""
        return _mean_under(self.prior(len(support)), worth, support)

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """Minus the cost of each decision, times the prior of its class."""
        return np.asarray(
            -self.cost[target, predicted] * shares_of_present(self.prior(num_classes), target, count)[target]
        )

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """The range of the costs of a class, times its prior."""
        return np.asarray(np.ptp(self.cost, axis=1) * shares_of_present(self.prior(num_classes), target, count))


def _mean_under(prior: np.ndarray, worth: np.ndarray, support: np.ndarray) -> np.ndarray:
    """(…) the mean worth of classes under a prior (C,), renormalised over those that have a sample."""
    present = support > 0
    share = prior[present]
    return np.asarray((worth[..., present] / support[present] * share).sum(-1) / share.sum())
