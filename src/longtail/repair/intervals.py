"""Confidence intervals of the difference of two scores on the same samples.

Recalls and costs are linear in what each sample contributes to the mean of its class. So the variance of a difference
is the sum of the variances of class means, and the interval is normal. A class of few samples says little of its own
variance, and a class of one says nothing: each class is smoothed by two pseudo-samples of what classes of about its
size have in common, as in empirical Bayes.

Macro-F1 and the mean recall of the worst classes are not linear: on few samples per class they are biased, and normal
intervals by their derivative do not cover. Their intervals are quantiles of the scores of draws (`class_draws`).
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from longtail.repair.class_draws import class_draws
from longtail.repair.independent_units import independent_units
from longtail.repair.metrics import Metric, NonLinearMetric, WorstRecall

PSEUDO_SAMPLES = 2.0
SIZES = 3  # thirds of the classes by their samples, whose moments are pooled


class GainEstimate(NamedTuple):
    """The gain with its interval.

    Attributes:
        gain: score(after) − score(before), or for a metric that is not linear the median of its draws; the mean over
            the repeats.
        low: lower limit.
        high: upper limit.
    """

    gain: float
    low: float
    high: float


def estimate_of_gain(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: Sequence[np.ndarray],
    num_classes: int,
    *,
    level: float = 0.95,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> GainEstimate:
    """The gain of the decisions `after` over those `before`, with its interval; all 0 where no decision changes.

    For several repeats, such as those of a cross-fitting with other folds, it is the mean gain. The half width is the
    mean of those of the repeats; for a metric that is not linear, the limits are quantiles of the draws of all repeats.

    Args:
        metric: the metric.
        target: (N,) class indices.
        before: (N,) predictions.
        after: predictions (N,) of each repeat, at least one.
        num_classes: C.
        level: of the interval, in (0, 1).
        groups: (N,) samples of one group are not independent of each other.
        weight: (N,) how much each sample counts; by default all alike.
    """
    if all((before == own).all() for own in after):
        return GainEstimate(0.0, 0.0, 0.0)
    value = np.ones(len(target)) if weight is None else weight
    if isinstance(metric, NonLinearMetric):
        return _drawn_gain(metric, target, before, after, num_classes, level=level, groups=groups, weight=value)
    old = metric.score(target, before, value, num_classes)
    gain = np.mean([metric.score(target, own, value, num_classes) - old for own in after])
    changed = [own for own in after if (before != own).any()]
    errors = [_changes_of_scores(metric, target, before, own, num_classes, value, groups).error for own in changed]
    half = NormalDist().inv_cdf((1 + level) / 2) * sum(errors) / len(after)
    return GainEstimate(float(gain), float(gain - half), float(gain + half))


def _drawn_gain(
    metric: NonLinearMetric,
    target: np.ndarray,
    before: np.ndarray,
    after: Sequence[np.ndarray],
    num_classes: int,
    *,
    level: float,
    groups: np.ndarray | None,
    weight: np.ndarray,
) -> GainEstimate:
    """For a metric that is not linear; a repeat in which no decision changes has a gain of 0 in each of its draws."""
    bounds = []
    for repeat, own in enumerate(after):
        draws = class_draws(
            target,
            before,
            own,
            num_classes,
            weight=weight,
            groups=groups,
            inflation=_changes_of_scores(metric, target, before, own, num_classes, weight, groups).inflation,
            repeat=repeat,
            repeats=len(after),
        )
        bounds.append((before != own).any() * np.stack(metric.bounds_of_gain(draws)))
    gain = np.mean([np.median(own, axis=1) for own in bounds])
    lower, upper = np.concatenate(bounds, axis=1)
    low, high = np.quantile(lower, (1 - level) / 2), np.quantile(upper, (1 + level) / 2)
    return GainEstimate(float(gain), float(low), float(high))


def smoothed_gain(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> float:
    """score(after) − score(before) with the means of classes smoothed.

    Smoothing draws the change of a class with few samples towards that of classes of about its size, so that a choice
    does not hang on single samples. Arguments as those of `estimate_of_gain`, but for one repeat.
    """
    if (before == after).all():
        return 0.0
    value = np.ones(len(target)) if weight is None else weight
    if isinstance(metric, WorstRecall):  # a class without a right decision hides what changes in the others
        old, new = (_smoothed_recalls(target, own, num_classes, value, groups) for own in (before, after))
        one = np.ones(len(new))
        return float(metric.of_sums(new, one, one) - metric.of_sums(old, one, one))
    classes = _changes_of_scores(metric, target, before, after, num_classes, value, groups)
    gain = metric.score(target, after, value, num_classes) - metric.score(target, before, value, num_classes)
    return gain + float((classes.unit * (classes.smoothed - classes.mean)).sum())


def standard_error(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> float:
    """The standard error of score(after) − score(before). Arguments as those of `smoothed_gain`."""
    if (before == after).all():
        return 0.0
    value = np.ones(len(target)) if weight is None else weight
    return _changes_of_scores(metric, target, before, after, num_classes, value, groups).error


def smoothed_changes_of_recall(
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """(C,) changes of recall, smoothed as in `smoothed_gain`; 0 for a class without samples."""
    value = np.ones(len(target)) if weight is None else weight
    change = (target == after).astype(np.float64) - (target == before)
    return _changes_of_classes(target, change, np.ones(num_classes), value, groups).smoothed


def _smoothed_recalls(
    target: np.ndarray, predicted: np.ndarray, num_classes: int, weight: np.ndarray, groups: np.ndarray | None
) -> np.ndarray:
    """Recalls of the classes that have a sample; a pool begins with one class of recall 1/2."""
    above_half = (target == predicted) - 0.5
    smoothed = _changes_of_classes(target, above_half, np.ones(num_classes), weight, groups).smoothed
    return np.asarray(smoothed[np.bincount(target, weight, num_classes) > 0] + 0.5)


class ChangesOfClasses(NamedTuple):
    """Changes of the means of classes, in units of the class, and the standard error of their sum.

    Attributes:
        unit: (C,) of the classes.
        mean: (C,).
        smoothed: (C,).
        error: in units of the score.
        inflation: of its square, by groups that span several classes.
    """

    unit: np.ndarray
    mean: np.ndarray
    smoothed: np.ndarray
    error: float
    inflation: float


def _changes_of_scores(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    weight: np.ndarray,
    groups: np.ndarray | None,
) -> ChangesOfClasses:
    old, new = (metric.contributions(target, predicted, weight, num_classes) for predicted in (before, after))
    unit = metric.class_units(target, (before, after), weight, num_classes)
    return _changes_of_classes(target, new - old, unit, weight, groups)


def _changes_of_classes(
    target: np.ndarray, change: np.ndarray, unit: np.ndarray, weight: np.ndarray, groups: np.ndarray | None
) -> ChangesOfClasses:
    num_classes = len(unit)
    units = independent_units(target, weight, groups)
    label, counted, member, change = units.label, units.weight, units.member, units.means(change, weight)
    total = np.bincount(label, counted, num_classes)
    present = (total > 0) & (unit > 0)
    relative = np.divide(change, unit[label], out=np.zeros(len(change)), where=unit[label] > 0)
    mean, square = (_class_means(label, relative**power, counted, total) for power in (1, 2))
    smoothed, variance = _smoothed(mean, square, units.effective_sizes(num_classes), present)
    covariance = 0.0 if member is None else _between_classes(label, relative * unit[label], counted, total, member)
    within = (variance * unit**2).sum()
    square = within + max(covariance, 0.0)
    return ChangesOfClasses(unit, mean, smoothed, float(np.sqrt(square)), float(square / within) if within > 0 else 1.0)


def _class_means(label: np.ndarray, values: np.ndarray, weight: np.ndarray, total: np.ndarray) -> np.ndarray:
    held = np.bincount(label, weight * values, len(total))
    return np.asarray(np.divide(held, total, out=np.zeros(len(total)), where=total > 0))


def _smoothed(
    mean: np.ndarray, square: np.ndarray, size: np.ndarray, present: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) class means and their variances, in units of the class; a pool begins with one class of −1, 0, 0 and 1."""
    smoothed, variance = np.zeros(len(mean)), np.zeros(len(mean))
    by_size = np.flatnonzero(present)[np.argsort(size[present], kind="stable")]
    for pool in np.array_split(by_size, SIZES):
        if len(pool):
            prior_mean = mean[pool].sum() / (len(pool) + 1)
            prior_square = (square[pool].sum() + 0.5) / (len(pool) + 1)
            share = PSEUDO_SAMPLES / (size[pool] + PSEUDO_SAMPLES)
            lost = (1 - share) ** 2 / size[pool]  # of the variance, on average, since the mean is that of these samples
            own_mean = (1 - share) * mean[pool] + share * prior_mean
            own_square = (1 - share) * square[pool] + share * prior_square
            smoothed[pool] = own_mean
            variance[pool] = np.maximum(own_square - own_mean**2, 0.0) / (1 - lost) / size[pool]
    return smoothed, variance


def _between_classes(
    label: np.ndarray, change: np.ndarray, weight: np.ndarray, total: np.ndarray, member: np.ndarray
) -> float:
    """Twice the covariances of class means that share groups."""
    mean = _class_means(label, change, weight, total)
    deviation = weight / total[label] * (change - mean[label])
    by_group = np.bincount(member, deviation)
    return float((by_group**2).sum() - (deviation**2).sum())
