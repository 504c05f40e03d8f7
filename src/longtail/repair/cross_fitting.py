"""Cross-fitting: the offsets of a fold are fitted on the other folds, and chosen by fits that lack a second fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from longtail.repair.candidates import Candidate
from longtail.repair.decisions import Decision, Offsets
from longtail.repair.folds import Splits
from longtail.repair.metrics import Metric
from longtail.repair.samples import LEAST_ROWS, Samples

NUMBERS_DECIDED_AT_ONCE = 2**20  # logits of a block, which is split by folds: smaller parts would be slower


@dataclass(frozen=True)
class CrossFitted:
    """Cross-fitted predictions of one candidate.

    Attributes:
        splits: the folds.
        strengths: values of τ.
        inner: (K, T, N) predictions for each τ by the fit without a sample's own fold and fold k; those of a sample in
            fold k are by the fit without fold k alone.
        served: the decision rule fitted on all data.
        directions: (K, C) the direction of the offsets of the fit without fold k; 0 if the candidate has none.
    """

    splits: Splits
    strengths: tuple[float, ...]
    inner: np.ndarray
    served: Decision
    directions: np.ndarray

    @cached_property
    def curve(self) -> dict[float, np.ndarray]:
        """For each τ predictions (N,), each by a fit without the sample's fold."""
        own = self.inner[self.splits.fold, :, np.arange(self.inner.shape[2])]
        return dict(zip(self.strengths, own.T, strict=True))

    def of_the_others(self, number: int) -> dict[float, np.ndarray]:
        """For each τ predictions on all folds but `number`, by fits that saw neither their own fold nor this one."""
        rest = self.splits.fold != number
        return dict(zip(self.strengths, self.inner[number][:, rest], strict=True))

    def by_fewer_samples(self, strength: float) -> list[np.ndarray]:
        """K − 1 predictions (N,), each by a fit without the sample's fold and one other."""
        place, rows, number = self.strengths.index(strength), np.arange(self.inner.shape[2]), self.splits.number
        return [self.inner[(self.splits.fold + step) % number, place, rows] for step in range(1, number)]


def cross_fit(candidate: Candidate, samples: Samples, splits: Splits, metric: Metric) -> CrossFitted:
    """Fit a candidate without each fold and each pair of folds, and on all data.

    Raises:
        NoFixedPointError: the fixed point does not exist.
        CandidateError: it can't be fitted to these samples.
    """
    fits = candidate.fit(samples, splits, metric)
    directions = np.zeros((splits.number, samples.num_classes))
    for number in range(splits.number):
        fitted = fits[splits.without(number)]
        if isinstance(fitted, Offsets):
            directions[number] = fitted.direction
    return CrossFitted(splits, candidate.strengths, _decisions(candidate, fits, samples, splits), fits[0], directions)


def _decisions(candidate: Candidate, fits: Sequence[Decision], samples: Samples, splits: Splits) -> np.ndarray:
    """(K, T, N) predictions for each τ, by the fit without a sample's own fold and fold k. One pass."""
    alike = all(fitted is fits[0] for fitted in fits)  # as of logit adjustment: one prediction stands for all K
    number = 1 if alike else splits.number
    shape = (number, len(candidate.strengths), len(samples))
    decisions = np.empty(shape, dtype=np.min_scalar_type(samples.num_classes - 1))
    least_rows = max(LEAST_ROWS, NUMBERS_DECIDED_AT_ONCE // samples.num_classes)
    for part, logits in samples.blocks(candidate.name, precise=False, least_rows=least_rows):
        logits -= logits.max(1, keepdims=True)  # so that float32 offsets do not round away beside large logits
        folds = splits.fold[part]
        for own in np.unique(folds):
            rows = np.flatnonzero(folds == own)
            block, decided = logits[rows], dict[int, np.ndarray]()
            for other in range(number):
                fitted = fits[splits.without(own, other)]
                if id(fitted) not in decided:
                    decided[id(fitted)] = fitted.decide_for_all(block, candidate.strengths)
                decisions[other, :, part.start + rows] = decided[id(fitted)].T
    whole = samples.gathered(candidate.name, decisions[:, :, samples.own])
    return np.broadcast_to(whole, (splits.number, *whole.shape[1:]))
