"""Whether calibration improves the probabilities that would be served without it, on samples unseen by its fit.

The log loss decides, because it is a proper score: it is smallest for the true probabilities. The top-label error alone
cannot decide. It does not see the other classes, and with many rare classes a fit that halves the log loss often raises
it slightly. So probabilities are calibrated if the log loss falls by more than its uncertainty and the top-label error
does not rise by more than its own. Without calibration the probabilities of the decisions z + o are softmax(z + o).
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from longtail.metrics import CalibrationErrors
from longtail.metrics.calibration import bins_of
from longtail.repair.calibration import NUMBERS_ENOUGH, FittedCalibration, calibrated, prior_weight, probabilities
from longtail.repair.findings import Calibration
from longtail.repair.folds import Splits
from longtail.repair.metrics import Metric
from longtail.repair.samples import Samples

STEP = "calibration errors"
ONE_SIDED = NormalDist().inv_cdf(0.95)
LEAST_PROBABILITY = 1e-12  # in the log loss, so that a single sample does not decide


def cross_fitted_calibration(
    samples: Samples, splits: Splits, metric: Metric, offsets: np.ndarray, groups: np.ndarray | None = None
) -> Calibration:
    """Log loss and calibration errors before and after calibration, each fold by the fit on the others.

    Args:
        samples: logits, or a memory-mapped file, of which a subsample is used.
        splits: the folds.
        metric: its prior is that of the probabilities.
        offsets: (K, C) offsets of the decisions in each fold.
        groups: (N,) samples of one group are not independent of each other; or None.
    """
    prior = metric.prior(samples.num_classes)
    kept = samples.thinning(NUMBERS_ENOUGH)
    part, fold = samples.where(kept).together_if_few(), splits.fold[kept]
    decisions = offsets if metric.decides_by_probability else [None] * splits.number
    fits = [calibrated(part.where(fold != k), prior, decision) for k, decision in enumerate(decisions)]
    plain = [FittedCalibration(1.0, own, at_limit=False) for own in offsets * metric.decides_by_probability]
    as_it_is = [FittedCalibration(1.0, 0 * own.offset, at_limit=False) for own in plain]
    weight = prior_weight(part.target, prior, part.weight)
    before, without, after = (_score(part, fold, weight, own) for own in (as_it_is, plain, fits))
    unit = None if groups is None else np.unique(groups[kept], return_inverse=True)[1].ravel()
    loss = _change(without.loss, after.loss, weight, unit)
    top = _change(without.gaps(weight), after.gaps(weight), weight, unit)
    at_limit = any(own.at_limit for own in fits)
    falls = loss.mean + ONE_SIDED * loss.error < 0
    rises = top.mean - ONE_SIDED * top.error > 0
    return Calibration(
        (before.errors.top_label, after.errors.top_label),
        (before.errors.class_wise, after.errors.class_wise),
        before.errors.pooled,
        len(part),
        not at_limit and falls and not rises,
        (before.errors.reliability, after.errors.reliability),
        at_limit,
        (float(np.average(before.loss, weights=weight)), float(np.average(after.loss, weights=weight))),
        falls,
    )


@dataclass(frozen=True)
class _Scores:
    """Calibration errors, and for each sample (N,) log loss, confidence and whether the top label is correct."""

    errors: CalibrationErrors
    loss: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray

    def gaps(self, weight: np.ndarray) -> np.ndarray:
        """(N,) contributions to the top-label error, which is their weighted mean."""
        bins, gap = bins_of(self.confidence), self.confidence - self.correct
        return np.asarray(np.sign(np.bincount(bins, weight * gap))[bins] * gap)


@dataclass(frozen=True)
class _Change:
    mean: float
    error: float


def _score(part: Samples, fold: np.ndarray, weight: np.ndarray, fits: list[FittedCalibration]) -> _Scores:
    """Scores of the probabilities that each fold gets by its fit."""
    errors = CalibrationErrors(np.bincount(part.target, minlength=part.num_classes))
    loss, confidence, correct = np.empty((3, len(part)))
    for block, logits in part.blocks(STEP):
        for number in np.unique(fold[block]):
            rows = np.flatnonzero(fold[block] == number)
            p = probabilities(logits[rows], fits[number].temperature, fits[number].offset)
            rows += block.start
            target = part.target[rows]
            errors.add(p, target, weight[rows])
            loss[rows] = -np.log(np.maximum(p[np.arange(len(rows)), target], LEAST_PROBABILITY))
            confidence[rows], correct[rows] = p.max(1), p.argmax(1) == target
    own = np.stack([loss, confidence, correct])[:, part.own]
    return _Scores(part.merged(STEP, errors), *part.gathered(STEP, own))


def _change(before: np.ndarray, after: np.ndarray, weight: np.ndarray, unit: np.ndarray | None) -> _Change:
    """The weighted mean of after − before (N,), and its standard error; samples of one unit are not independent."""
    mean = float(np.average(after - before, weights=weight))
    deviation = weight * (after - before - mean) / weight.sum()
    if unit is not None:
        deviation = np.bincount(unit, deviation)
    return _Change(mean, float(np.sqrt((deviation**2).sum())))
