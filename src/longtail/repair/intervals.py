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
from longtail.repair.labels import Labels
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
    metric: Metric, labels: Labels, before: np.ndarray, after: Sequence[np.ndarray], *, level: float = 0.95
) -> GainEstimate:
    """The gain of the decisions `after` over those `before`, with its interval; all 0 where no decision changes.

    For several repeats, such as those of a cross-fitting with other folds, it is the mean gain. The half width is the
    mean of those of the repeats; for a metric that is not linear, the limits are quantiles of the draws of all repeats.

    Args:
        metric: the metric.
        labels: of the N samples.
        before: (N,) predictions.
        after: predictions (N,) of each repeat, at least one.
        level: of the interval, in (0, 1).
    """
    if all((before == own).all() for own in after):
        return GainEstimate(0.0, 0.0, 0.0)
    if isinstance(metric, NonLinearMetric):
        return _drawn_gain(metric, labels, before, after, level)
    old = _score(metric, labels, before)
    gain = np.mean([_score(metric, labels, own) - old for own in after])
    errors = [standard_error(metric, labels, before, own) for own in after]
    half = NormalDist().inv_cdf((1 + level) / 2) * np.mean(errors)
    return GainEstimate(float(gain), float(gain - half), float(gain + half))


def _drawn_gain(
    metric: NonLinearMetric, labels: Labels, before: np.ndarray, after: Sequence[np.ndarray], level: float
) -> GainEstimate:
    """For a metric that is not linear; a repeat in which no decision changes has a gain of 0 in each of its draws."""
    bounds = []
    for repeat, own in enumerate(after):
        inflation = _changes_of_scores(metric, labels, before, own).inflation
        draws = class_draws(labels, before, own, inflation=inflation, repeat=repeat, repeats=len(after))
        bounds.append((before != own).any() * np.stack(metric.bounds_of_gain(draws)))
    gain = np.mean([np.median(own, axis=1) for own in bounds])
    lower, upper = np.concatenate(bounds, axis=1)
    low, high = np.quantile(lower, (1 - level) / 2), np.quantile(upper, (1 + level) / 2)
    return GainEstimate(float(gain), float(low), float(high))


def smoothed_gain(metric: Metric, labels: Labels, before: np.ndarray, after: np.ndarray) -> float:
    """score(after) − score(before) with the means of classes smoothed.

    Smoothing draws the change of a class with few samples towards that of classes of about its size, so that a choice
    does not hang on single samples.

    Args:
        metric: the metric.
        labels: of the N samples.
        before: (N,) predictions.
        after: (N,) predictions.
    """
    if (before == after).all():
        return 0.0
    if isinstance(metric, WorstRecall):  # a class without a right decision hides what changes in the others
        old, new = (_smoothed_recalls(labels, own) for own in (before, after))
        one = np.ones(len(new))
        return float(metric.of_sums(new, one) - metric.of_sums(old, one))
    classes = _changes_of_scores(metric, labels, before, after)
    gain = _score(metric, labels, after) - _score(metric, labels, before)
    return gain + float((classes.unit * (classes.smoothed - classes.mean)).sum())


def standard_error(metric: Metric, labels: Labels, before: np.ndarray, after: np.ndarray) -> float:
    """The standard error of score(after) − score(before), 0 without a change. Arguments as those of `smoothed_gain`."""
    return 0.0 if (before == after).all() else _changes_of_scores(metric, labels, before, after).error


def smoothed_changes_of_recall(labels: Labels, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(C,) changes of recall, smoothed as in `smoothed_gain`; 0 for a class without samples."""
    change = (labels.target == after).astype(np.float64) - (labels.target == before)
    return _changes_of_classes(labels, change, np.ones(labels.num_classes)).smoothed


def _smoothed_recalls(labels: Labels, predicted: np.ndarray) -> np.ndarray:
    """Recalls of the classes that have a sample; a pool begins with one class of recall 1/2."""
    above_half = (labels.target == predicted) - 0.5
    smoothed = _changes_of_classes(labels, above_half, np.ones(labels.num_classes)).smoothed
    return np.asarray(smoothed[labels.support > 0] + 0.5)


def _score(metric: Metric, labels: Labels, predicted: np.ndarray) -> float:
    return metric.score(labels.target, predicted, labels.weight, labels.num_classes)


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


def _changes_of_scores(metric: Metric, labels: Labels, before: np.ndarray, after: np.ndarray) -> ChangesOfClasses:
    target, weight, num_classes = labels.target, labels.weight, labels.num_classes
    old, new = (metric.contributions(target, predicted, weight, num_classes) for predicted in (before, after))
    return _changes_of_classes(labels, new - old, metric.class_units(target, (before, after), weight, num_classes))


def _changes_of_classes(labels: Labels, change: np.ndarray, unit: np.ndarray) -> ChangesOfClasses:
    change = labels.units.means(change, labels.weight)
    own_unit = unit[labels.units.label]
    relative = np.divide(change, own_unit, out=np.zeros(len(change)), where=own_unit > 0)
    mean, square = labels.class_means(relative), labels.class_means(relative**2)
    smoothed, variance = _smoothed(labels, mean, square, unit > 0)
    within = (variance * unit**2).sum()
    total = within + max(_between_classes(labels, relative * own_unit), 0.0)
    return ChangesOfClasses(unit, mean, smoothed, float(np.sqrt(total)), float(total / within) if within > 0 else 1.0)


def _smoothed(
    labels: Labels, mean: np.ndarray, square: np.ndarray, taking_part: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) class means and their variances, in units of the class; a pool begins with one class of −1, 0, 0 and 1."""
    smoothed, variance = np.zeros(len(mean)), np.zeros(len(mean))
    own = labels.by_size[taking_part[labels.by_size]]
    pool = _thirds(len(own))
    count = np.bincount(pool, minlength=SIZES) + 1
    prior_mean, prior_square = (np.bincount(pool, values[own], SIZES) for values in (mean, square))
    size = labels.effective_sizes[own]
    share = PSEUDO_SAMPLES / (size + PSEUDO_SAMPLES)
    lost = (1 - share) ** 2 / size  # of the variance, on average, since the mean is that of these samples
    own_mean = (1 - share) * mean[own] + share * (prior_mean / count)[pool]
    own_square = (1 - share) * square[own] + share * ((prior_square + 0.5) / count)[pool]
    smoothed[own] = own_mean
    variance[own] = np.maximum(own_square - own_mean**2, 0.0) / (1 - lost) / size
    return smoothed, variance


def _thirds(number: int) -> np.ndarray:
    """(number,) the place among `SIZES` parts of about equal sizes, in order."""
    return np.repeat(np.arange(SIZES), [len(part) for part in np.array_split(np.empty(number), SIZES)])


def _between_classes(labels: Labels, change: np.ndarray) -> float:
    """Twice the covariances of class means that share groups, from changes (U,) of the units."""
    member, label = labels.units.member, labels.units.label
    if member is None:
        return 0.0
    deviation = labels.units.weight / labels.support[label] * (change - labels.class_means(change)[label])
    by_group = np.bincount(member, deviation)
    return float((by_group**2).sum() - (deviation**2).sum())
