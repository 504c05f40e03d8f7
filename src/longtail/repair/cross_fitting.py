"""Scores on data that no fit has seen: offsets are fitted, and their strength is chosen, on the other folds only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longtail.repair.candidates import Candidate, Decision, Offsets
from longtail.repair.folds import Splits
from longtail.repair.metrics import Metric
from longtail.repair.samples import Samples


@dataclass(frozen=True)
class CrossFitted:
    """What one candidate does.

    Attributes:
        predicted: (N,) decisions, each by offsets that have not seen its fold.
        served: fitted on all data; what would be served.
        strength: with which.
        curve: for each strength the cross-fitted decisions, (N,).
        fold_offsets: (K, C) those that decided in each fold, where offsets did.
    """

    predicted: np.ndarray
    served: Decision
    strength: float
    curve: dict[float, np.ndarray]
    fold_offsets: np.ndarray


def cross_fit(candidate: Candidate, samples: Samples, splits: Splits, metric: Metric) -> CrossFitted:
    """Fit a candidate on all folds but one, for each in turn, and on all data.

    Raises:
        NoFixedPointError: of a candidate that goes to a fixed point.
        TooMuchWorkError: of a candidate that would take too long on so many numbers.
    """
    fits = candidate.fit(samples, splits, metric)
    decisions = _decisions(candidate, fits, samples, splits)
    own = decisions[splits.fold, :, np.arange(len(samples))].T.astype(np.int64)
    curve = dict(zip(candidate.strengths, own, strict=True))
    predicted = np.empty(len(samples), dtype=np.int64)
    fold_offsets = np.zeros((splits.number, samples.num_classes))
    for number in range(splits.number):
        rest, held_out = splits.fold != number, splits.fold == number
        # What other folds were told by fits that saw neither them nor this one.
        seen = dict(zip(candidate.strengths, decisions[number][:, rest], strict=True))
        strength = best_of(seen, samples.target[rest], samples.weight[rest], metric, samples.num_classes)
        predicted[held_out] = curve[strength][held_out]
        fitted = fits[splits.without(number)]
        if isinstance(fitted, Offsets):
            fold_offsets[number] = strength * fitted.direction
    strength = best_of(curve, samples.target, samples.weight, metric, samples.num_classes)
    return CrossFitted(predicted, fits[0], strength, curve, fold_offsets)


def _decisions(candidate: Candidate, fits: Sequence[Decision], samples: Samples, splits: Splits) -> np.ndarray:
    """(K, T, N): of the fit that saw neither a sample's own fold nor fold k, at each strength. One pass."""
    shape = (splits.number, len(candidate.strengths), len(samples))
    decisions = np.empty(shape, dtype=np.min_scalar_type(samples.num_classes - 1))
    for part, logits in samples.blocks(candidate.name):
        folds = splits.fold[part]
        for own in np.unique(folds):
            rows = np.flatnonzero(folds == own)
            block = logits[rows]
            for other in range(splits.number):
                fitted = fits[splits.without(own, other)]
                for place, strength in enumerate(candidate.strengths):
                    decisions[other, place, part.start + rows] = fitted.decide(block, strength)
    return decisions


def best_of(
    decisions: dict[float, np.ndarray], target: np.ndarray, weight: np.ndarray, metric: Metric, num_classes: int
) -> float:
    """The key of the best decisions, the first of several that are."""
    strengths: Sequence[float] = sorted(decisions)
    scores = [metric.score(target, decisions[strength], weight, num_classes) for strength in strengths]
    return strengths[int(np.argmax(np.round(scores, 12)))]
