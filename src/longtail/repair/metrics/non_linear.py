"""Metrics that are not weighted means over the samples of each class."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longtail.arguments import check_fraction
from longtail.repair.class_draws import ClassDraws
from longtail.repair.metrics.contract import NonLinearMetric, recalls, shares_of_present


@dataclass(frozen=True)
class MacroF1(NonLinearMetric):
    """The mean F1 of all classes that have a sample.

    Example:
        >>> target, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
        >>> round(MacroF1().score(target, predicted, np.ones(3), num_classes=2), 3)
        0.667
    """

    name: str = "macro-F1"
    decides_by_probability: ClassVar[bool] = False
    counts_predictions: ClassVar[bool] = True

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray | None = None) -> np.ndarray:
        """In [0, 1]."""
        assert predicted is not None
        present = support > 0
        return np.asarray((2 * worth.compress(present, -1) / (support + predicted).compress(present, -1)).mean(-1))

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """By the derivative: a right decision adds to the F1 of its class, a wrong one takes from that of another."""
        support = np.bincount(target, count, num_classes)
        correct = np.bincount(target, count * (target == predicted), num_classes)
        both = support + np.bincount(predicted, count, num_classes)
        present = support > 0
        gained = np.divide(2.0, both, out=np.zeros(num_classes), where=present)
        lost = np.divide(2 * correct, both**2, out=np.zeros(num_classes), where=present)
        change = (target == predicted) * gained[target] - lost[predicted]
        return np.asarray(support[target] * change / present.sum())

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """One over the number of classes that have a sample."""
        return shares_of_present(np.ones(num_classes), target, count)

    def bounds_of_gain(self, draws: ClassDraws) -> tuple[np.ndarray, np.ndarray]:
        """The gain of each draw, as both bounds: draws of F1 need no correction."""
        correct = draws.support * draws.recall
        scores = self.of_sums(correct, draws.support, correct + draws.false_positives)
        return scores[1] - scores[0], scores[1] - scores[0]


@dataclass(frozen=True)
class WorstRecall(NonLinearMetric):
    """The mean recall of the worst classes among those that have a sample.

    Args:
        share: of the classes, rounded up.

    Example:
        >>> target, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
        >>> WorstRecall(0.1).score(target, predicted, np.ones(3), num_classes=2)
        0.5
    """

    share: float = 0.1
    name: str = "mean recall of the worst tenth"
    decides_by_probability: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_fraction("share", self.share)

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray | None = None) -> np.ndarray:
        """In [0, 1]."""
        present = support > 0
        recall = np.sort(worth.compress(present, -1) / support[present])
        return np.asarray(recall[..., : self._number(present)].mean(-1))

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """By the derivative: those of the classes that are the worst."""
        return np.asarray((target == predicted) * self._share_of_class(target, predicted, count, num_classes)[target])

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """Of the classes that are among the worst by one of the decisions."""
        before, after = (self._share_of_class(target, own, count, num_classes) for own in decisions)
        return np.asarray(np.maximum(before, after))

    def bounds_of_gain(self, draws: ClassDraws) -> tuple[np.ndarray, np.ndarray]:
        """The lowest recalls of a draw are below the true ones: classes vary more among draws than they do in truth.

        The mean recall of any classes that are fixed beforehand is no less than that of the worst. So for the upper
        bound of a score, those with the lowest recalls on average over the draws are taken.
        """
        number = self._number(draws.support > 0)
        lower = np.partition(draws.recall, number - 1, axis=-1)[..., :number].mean(-1)
        fixed = np.argsort(draws.recall.mean(1), axis=-1, kind="stable")[:, :number]
        upper = np.take_along_axis(draws.recall, fixed[:, None], axis=-1).mean(-1)
        return lower[1] - upper[0], upper[1] - lower[0]

    def _number(self, present: np.ndarray) -> int:
        return max(1, int(np.ceil(self.share * present.sum() - 1e-9)))

    def _share_of_class(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        recall, present = recalls(target, predicted, count, num_classes)
        number = self._number(present)
        support = np.bincount(target, count, num_classes)  # of equal recalls, the rarest class, whatever the order
        worst = np.flatnonzero(present)[np.lexsort((support[present], recall[present]))[:number]]
        share = np.zeros(num_classes)
        share[worst] = 1 / number
        return share
