"""The metric that a fix optimises: a score of predictions, larger is better, under a class prior.

A score is a function of counts of (class, predicted class), so it is defined for weighted samples, too.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from longtail.arguments import as_float64, as_prior, check_choice, check_fraction
from longtail.repair.class_draws import ClassDraws

LARGEST_COST = 1e12
METRICS = ("balanced-accuracy", "accuracy", "macro-f1", "worst-tenth", "cost")


class Metric(ABC):
    """Interface of metrics.

    Attributes:
        decides_by_probability: whether the best prediction is the most probable class under the metric's prior.
        name: name of the metric.
    """

    decides_by_probability: ClassVar[bool]
    name: str

    @abstractmethod
    def prior(self, num_classes: int) -> np.ndarray:
        """(C,) class prior."""

    def score(self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int) -> float:
        """The score (larger is better) of predictions, where `count` holds sample weights."""
        worth = np.bincount(target, count * self.worth(target, predicted), num_classes)
        counts = (np.bincount(labels, count, num_classes) for labels in (target, predicted))
        return float(self.of_sums(worth, *counts))

    def worth(self, target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(N,) what each decision is worth: 1 where it is right, else 0."""
        return np.asarray(target == predicted)

    @abstractmethod
    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Scores (…) from weighted sums per class.

        Args:
            worth: (…, C) what the decisions on its samples are worth.
            support: (C,) its samples.
            predicted: (…, C) predictions of it.
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

    def prior(self, num_classes: int) -> np.ndarray:
        """Uniform."""
        return np.full(num_classes, 1 / num_classes)

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """In [0, 1]."""
        present = support > 0
        return np.asarray((worth[..., present] / support[present]).mean(-1))

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """One over the number of classes with samples, where right."""
        return np.asarray((target == predicted) * _shares_of_present(np.ones(num_classes), target, count)[target])

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """One over the number of classes that have a sample."""
        return _shares_of_present(np.ones(num_classes), target, count)


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

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """In [0, 1]; the prior is renormalised over classes with samples."""
        return _mean_under(self.prior(len(support)), worth, support)

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """The prior of the class, where right."""
        return np.asarray((target == predicted) * _shares_of_present(self.prior(num_classes), target, count)[target])

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """The prior, of the classes that have a sample."""
        return _shares_of_present(self.prior(num_classes), target, count)


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

    def prior(self, num_classes: int) -> np.ndarray:
        """Uniform."""
        return np.full(num_classes, 1 / num_classes)

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """In [0, 1]."""
        present = support > 0
        return np.asarray((2 * worth[..., present] / (support + predicted)[..., present]).mean(-1))

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
        return _shares_of_present(np.ones(num_classes), target, count)

    def bounds_of_gain(self, draws: ClassDraws) -> tuple[np.ndarray, np.ndarray]:
        """The gain, twice."""
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

    def prior(self, num_classes: int) -> np.ndarray:
        """Uniform."""
        return np.full(num_classes, 1 / num_classes)

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """In [0, 1]."""
        present = support > 0
        return np.asarray(np.sort(worth[..., present] / support[present])[..., : self._number(present)].mean(-1))

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

    def of_sums(self, worth: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """In the unit of the costs; the prior is renormalised over classes with samples."""
        return _mean_under(self.prior(len(support)), worth, support)

    def contributions(
        self, target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """Minus the cost of each decision, times the prior of its class."""
        return np.asarray(
            -self.cost[target, predicted] * _shares_of_present(self.prior(num_classes), target, count)[target]
        )

    def class_units(
        self, target: np.ndarray, decisions: tuple[np.ndarray, np.ndarray], count: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """The range of the costs of a class, times its prior."""
        return np.asarray(np.ptp(self.cost, axis=1) * _shares_of_present(self.prior(num_classes), target, count))


def recalls(
    target: np.ndarray, predicted: np.ndarray, count: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The recall of each class (0 where it has no sample), and whether it has one."""
    support = np.bincount(target, count, num_classes)
    correct = np.bincount(target, count * (target == predicted), num_classes)
    present = support > 0
    return np.divide(correct, support, out=np.zeros(num_classes), where=present), present


def _mean_under(prior: np.ndarray, worth: np.ndarray, support: np.ndarray) -> np.ndarray:
    """(…) the mean worth of classes under a prior (C,), renormalised over those that have a sample."""
    present = support > 0
    share = prior[present]
    return np.asarray((worth[..., present] / support[present] * share).sum(-1) / share.sum())


def _shares_of_present(share: np.ndarray, target: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(C,) shares of classes, renormalised over those that have a sample; 0 for the others."""
    of_present = share * (np.bincount(target, count, len(share)) > 0)
    return np.asarray(of_present / of_present.sum())


def make_metric(
    name: str,
    num_classes: int,
    prior: str | np.ndarray | Tensor | list[float] = "uniform",
    cost: np.ndarray | None = None,
) -> Metric:
    """A metric by name.

    Args:
        name: one of `METRICS`.
        num_classes: C.
        prior: for "accuracy" and "cost": "uniform" or (C,) probabilities; the others have a uniform prior.
        cost: (C, C) for "cost": row c, column j is the cost of predicting j for class c.

    Raises:
        ValueError: an unknown metric, an invalid prior, or a prior or costs that the metric does not take.

    Example:
        >>> make_metric("accuracy", 2, [0.9, 0.1]).prior(2).tolist()
        [0.9, 0.1]
    """
    check_choice("metric", name, METRICS)
    if (cost is not None) != (name == "cost"):
        needs = "none" if cost is None else f"costs for the metric {name!r}"
        raise ValueError(
            f'`cost` must be given for the metric "cost", and only for it. Got {needs}. '
            + ("Pass the costs (--cost FILE)." if cost is None else "Leave them out, or pass the metric 'cost'.")
        )
    if cost is not None:
        return ExpectedCost(_checked_cost(cost, num_classes), tuple(as_prior("prior", prior, num_classes).tolist()))
    if name == "accuracy":
        return AccuracyUnder(tuple(as_prior("prior", prior, num_classes).tolist()))
    if not (isinstance(prior, str) and prior == "uniform"):
        raise ValueError(f'`prior` must be "uniform" for the metric {name!r}; "accuracy" and "cost" take another.')
    metrics: dict[str, Metric] = {
        "balanced-accuracy": BalancedAccuracy(),
        "macro-f1": MacroF1(),
        "worst-tenth": WorstRecall(),
    }
    return metrics[name]


def metric_named(name: str, prior: np.ndarray, cost: np.ndarray | None = None) -> Metric:
    """The metric with a display name, as in fixes and diagnoses.

    Args:
        name: such as "balanced accuracy".
        prior: (C,) for the accuracy and the expected cost.
        cost: (C, C) for the expected cost.

    Raises:
        ValueError: an unknown metric, or missing costs.

    Example:
        >>> metric_named("macro-F1", np.array([0.5, 0.5])).name
        'macro-F1'
    """
    if name == ExpectedCost.name:
        if cost is None:
            raise ValueError("`cost` must be given for the expected cost. Got none.")
        return ExpectedCost(cost, tuple(prior.tolist()))
    known: tuple[Metric, ...] = (BalancedAccuracy(), AccuracyUnder(tuple(prior.tolist())), MacroF1(), WorstRecall())
    check_choice("metric", name, [metric.name for metric in known])
    return next(metric for metric in known if metric.name == name)


def _checked_cost(cost: np.ndarray, num_classes: int) -> np.ndarray:
    values = as_float64("cost", cost)
    if values.shape != (num_classes, num_classes):
        raise ValueError(
            f"`cost` must have the shape ({num_classes}, {num_classes}): one row per true class, one column per "
            f"prediction. Got {values.shape}."
        )
    if not (np.abs(values) < LARGEST_COST).all():
        row, column = np.argwhere(~(np.abs(values) < LARGEST_COST))[0]
        raise ValueError(
            f"`cost` must hold numbers below {LARGEST_COST:g}. Got {values[row, column]} in row {row}, column {column}."
        )
    if (np.diagonal(values) > values.min(1)).any():
        label = int(np.argmax(np.diagonal(values) - values.min(1)))
        raise ValueError(
            f"`cost` must be lowest for the correct prediction of each class. It is not for class {label}."
        )
    return values
