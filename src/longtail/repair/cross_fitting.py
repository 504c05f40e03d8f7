"""Cross-fitting: the offsets and τ of a fold are fitted and chosen on the other folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longtail.repair.candidates import Candidate, Decision, Offsets
from longtail.repair.folds import Splits
from longtail.repair.metrics import Metric
from longtail.repair.samples import LEAST_ROWS, Samples

NUMBERS_DECIDED_AT_ONCE = 2**20  # logits of a block, which is split by folds: smaller parts would be slower


@dataclass(frozen=True)
class CrossFitted:
    """Cross-fitted predictions of one candidate.

    Attributes:
        predicted: (N,) predictions, each by a fit without its fold.
        served: the decision rule fitted on all data.
        strength: τ of `served`.
        curve: for each τ the cross-fitted predictions, (N,).
        fold_offsets: (K, C) the offsets used in each fold; 0 if the candidate has none.
    """

    predicted: np.ndarray
    served: Decision
    strength: float
    curve: dict[float, np.ndarray]
    fold_offsets: np.ndarray


def cross_fit(candidate: Candidate, samples: Samples, splits: Splits, metric: Metric) -> CrossFitted:
    """Fit a candidate without each fold in turn, and on all data.

    Raises:
        NoFixedPointError: the fixed point does not exist.
        TooMuchWorkError: the candidate would take too long.
    """
    fits = candidate.fit(samples, splits, metric)
    decisions = _decisions(candidate, fits, samples, splits)
    own = decisions[splits.fold, :, np.arange(len(samples))].T.astype(np.int64)
    curve = dict(zip(candidate.strengths, own, strict=True))
    predicted = np.empty(len(samples), dtype=np.int64)
    fold_offsets = np.zeros((splits.number, samples.num_classes))
    for number in range(splits.number):
        rest, held_out = splits.fold != number, splits.fold == number
        # Predictions on the other folds, by fits that saw neither those folds nor this one.
        seen = dict(zip(candidate.strengths, decisions[number][:, rest], strict=True))
        strength = best_of(seen, samples.target[rest], samples.weight[rest], metric, samples.num_classes)
        predicted[held_out] = curve[strength][held_out]
        fitted = fits[splits.without(number)]
        if isinstance(fitted, Offsets):
            fold_offsets[number] = strength * fitted.direction
    strength = best_of(curve, samples.target, samples.weight, metric, samples.num_classes)
    return CrossFitted(predicted, fits[0], strength, curve, fold_offsets)


def _decisions(candidate: Candidate, fits: Sequence[Decision], samples: Samples, splits: Splits) -> np.ndarray:
    """(K, T, N) predictions for each τ, by the fit without a sample's own fold and fold k. One pass."""
    shape = (splits.number, len(candidate.strengths), len(samples))
    decisions = np.empty(shape, dtype=np.min_scalar_type(samples.num_classes - 1))
    least_rows = max(LEAST_ROWS, NUMBERS_DECIDED_AT_ONCE // samples.num_classes)
    for part, logits in samples.blocks(candidate.name, precise=False, least_rows=least_rows):
        logits -= logits.max(1, keepdims=True)  # so that float32 offsets do not round away beside large logits
        folds = splits.fold[part]
        for own in np.unique(folds):
            rows = np.flatnonzero(folds == own)
            block, decided = logits[rows], dict[int, np.ndarray]()
            for other in range(splits.number):
                fitted = fits[splits.without(own, other)]
                if id(fitted) not in decided:
                    decided[id(fitted)] = fitted.decide_for_all(block, candidate.strengths)
                decisions[other, :, part.start + rows] = decided[id(fitted)].T
    return decisions


def best_of(
    decisions: dict[float, np.ndarray], target: np.ndarray, weight: np.ndarray, metric: Metric, num_classes: int
) -> float:
    """The key of the best predictions; the smallest if several are equal."""
    strengths: Sequence[float] = sorted(decisions)
    scores = [metric.score(target, decisions[strength], weight, num_classes) for strength in strengths]
    return strengths[int(np.argmax(np.round(scores, 12)))]
