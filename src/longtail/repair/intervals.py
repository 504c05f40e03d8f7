"""How far a difference of two scores may be chance: a normal interval from the variances of the classes.

A score is taken to be linear in what each sample contributes to the mean of its class (exactly so for recalls and
costs, by its derivative for others). So the variance of a difference is the sum of the variances of class means. A
class of few samples says little of its own variance, and a class of one says nothing: each class is smoothed by two
pseudo-samples of what classes of about its size have in common, as in empirical Bayes.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from longtail.repair.metrics import Metric

PSEUDO_SAMPLES = 2.0
SIZES = 3  # thirds of the classes by their samples, whose moments are pooled


def interval_of_gain(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    level: float = 0.95,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> tuple[float, float]:
    """The interval of score(after) − score(before) on the same samples; (0, 0) where no decision changes.

    Args:
        metric: whose score it is.
        target: (N,) class indices.
        before: (N,) predictions.
        after: (N,) predictions.
        num_classes: C.
        level: of the interval, in (0, 1).
        groups: (N,) samples of one group are not independent of each other.
        weight: (N,) how much each sample counts; by default all alike.
    """
    if (before == after).all():
        return 0.0, 0.0
    value = np.ones(len(target)) if weight is None else weight
    gain = metric.score(target, after, value, num_classes) - metric.score(target, before, value, num_classes)
    _, error = gain_and_error(metric, target, before, after, num_classes, groups=groups, weight=value)
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    return gain - half, gain + half


def gain_and_error(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> tuple[float, float]:
    """score(after) − score(before) with the means of classes smoothed, and its standard error.

    Smoothing draws the change of a class with few samples towards that of classes of about its size, so that a choice
    does not hang on single samples. Arguments as those of `interval_of_gain`.
    """
    if (before == after).all():
        return 0.0, 0.0
    value = np.ones(len(target)) if weight is None else weight
    old, new = (metric.contributions(target, predicted, value, num_classes) for predicted in (before, after))
    unit = metric.class_units(target, (before, after), value, num_classes)
    gain = metric.score(target, after, value, num_classes) - metric.score(target, before, value, num_classes)
    classes = _changes_of_classes(target, new - old, unit, value, groups)
    return gain + float((unit * (classes.smoothed - classes.mean)).sum()), classes.error


def smoothed_changes_of_recall(
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """(C,) changes of recall, smoothed as in `gain_and_error`; 0 for a class without samples."""
    value = np.ones(len(target)) if weight is None else weight
    change = (target == after).astype(np.float64) - (target == before)
    return _changes_of_classes(target, change, np.ones(num_classes), value, groups).smoothed


class ChangesOfClasses(NamedTuple):
    """Changes of the means of classes, in units of the class, and the standard error of their sum.

    Attributes:
        mean: (C,).
        smoothed: (C,).
        error: in units of the score.
    """

    mean: np.ndarray
    smoothed: np.ndarray
    error: float


def _changes_of_classes(
    target: np.ndarray, change: np.ndarray, unit: np.ndarray, weight: np.ndarray, groups: np.ndarray | None
) -> ChangesOfClasses:
    num_classes = len(unit)
    label, change, counted, member = _units(target, change, weight, groups)
    total = np.bincount(label, counted, num_classes)
    present = (total > 0) & (unit > 0)
    size = np.divide(total**2, np.bincount(label, counted**2, num_classes), out=np.zeros(num_classes), where=present)
    relative = np.divide(change, unit[label], out=np.zeros(len(change)), where=unit[label] > 0)
    mean, square = (_class_means(label, relative**power, counted, total) for power in (1, 2))
    smoothed, variance = _smoothed(mean, square, size, present)
    covariance = 0.0 if member is None else _between_classes(label, relative * unit[label], counted, total, member)
    return ChangesOfClasses(mean, smoothed, float(np.sqrt((variance * unit**2).sum() + max(covariance, 0.0))))


def _units(
    target: np.ndarray, change: np.ndarray, weight: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """What is independent within a class: samples, or the part of a group in it with its mean; and their groups."""
    if groups is None:
        return target, change, weight, None
    _, member = np.unique(groups, return_inverse=True)
    cell, place = np.unique(np.stack([target, member]), axis=1, return_inverse=True)
    place = place.ravel()
    counted = np.bincount(place, weight)
    return cell[0], np.bincount(place, weight * change) / counted, counted, cell[1]


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
            own_mean = (1 - share) * mean[pool] + share * prior_mean
            own_square = (1 - share) * square[pool] + share * prior_square
            smoothed[pool] = own_mean
            variance[pool] = np.maximum(own_square - own_mean**2, 0.0) / size[pool]
    return smoothed, variance


def _between_classes(
    label: np.ndarray, change: np.ndarray, weight: np.ndarray, total: np.ndarray, member: np.ndarray
) -> float:
    """Twice the covariances of class means that share groups."""
    mean = _class_means(label, change, weight, total)
    deviation = weight / total[label] * (change - mean[label])
    by_group = np.bincount(member, deviation)
    return float((by_group**2).sum() - (deviation**2).sum())
