"""Cross-fitting: the offsets of a fold are fitted on the other folds, and chosen by fits that lack a second fold."""

from collections.abc import Sequence
from dataclasses import dataclass

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

    Fits on most of the folds predict nearly the same. So of those that lack a second fold, only differences are kept.

    Attributes:
        splits: the folds.
        strengths: values of τ.
        own: (T, N) predictions for each τ by the fit without a sample's own fold.
        differences: of the fit that lacks fold k too, for each of the K folds: where its predictions differ from `own`,
            as indices into the flattened array, and what they are there.
        served: the decision rule fitted on all data.
        directions: (K, C) the direction of the offsets of the fit without fold k; 0 if the candidate has none.
    """

    splits: Splits
    strengths: tuple[float, ...]
    own: np.ndarray
    differences: Sequence[tuple[np.ndarray, np.ndarray]]
    served: Decision
    directions: np.ndarray

    @property
    def curve(self) -> dict[float, np.ndarray]:
        """For each τ predictions (N,), each by a fit without the sample's fold."""
        return dict(zip(self.strengths, self.own, strict=True))

    def of_the_others(self, number: int) -> dict[float, np.ndarray]:
        """For each τ predictions on all folds but `number`, by fits that saw neither their own fold nor this one."""
        decisions = self.own.copy()
        decisions.put(*self.differences[number])
        return dict(zip(self.strengths, decisions[:, self.splits.fold != number], strict=True))

    def by_fewer_samples(self, strength: float) -> list[np.ndarray]:
        """K − 1 predictions (N,), each by a fit without the sample's fold and one other."""
        place, number = self.strengths.index(strength), self.splits.number
        fewer = np.tile(self.own[place], (number - 1, 1))
        for other, (where, values) in enumerate(self.differences):
            of_place = where // self.own.shape[1] == place
            rows = where[of_place] % self.own.shape[1]
            fewer[(other - self.splits.fold[rows]) % number - 1, rows] = values[of_place]
        return list(fewer)


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
    own, differences = _decisions(candidate, fits, samples, splits)
    return CrossFitted(splits, candidate.strengths, own, differences, fits[0], directions)


def _decisions(
    candidate: Candidate, fits: Sequence[Decision], samples: Samples, splits: Splits
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """`own` and `differences` of `CrossFitted`, in one pass."""
    own = np.empty((len(candidate.strengths), len(samples)), dtype=np.min_scalar_type(samples.num_classes - 1))
    differences: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(splits.number)]
    least_rows = max(LEAST_ROWS, NUMBERS_DECIDED_AT_ONCE // samples.num_classes)
    for part, logits in samples.blocks(candidate.name, precise=False, least_rows=least_rows):
        logits -= logits.max(1, keepdims=True)  # so that float32 offsets do not round away beside large logits
        folds = splits.fold[part]
        for fold in np.unique(folds):
            rows = np.flatnonzero(folds == fold)
            block, without = logits[rows], fits[splits.without(fold)]
            decided = without.decide_for_all(block, candidate.strengths)
            own[:, part.start + rows] = decided
            for other in range(splits.number):
                fitted = fits[splits.without(fold, other)]
                if fitted is without:  # as for fold k itself, and for all folds of logit adjustment
                    continue
                decided_by_fewer = fitted.decide_for_all(block, candidate.strengths)
                place, row = np.nonzero(decided_by_fewer != decided)
                where = place * len(samples) + part.start + rows[row]
                differences[other].append((where, decided_by_fewer[place, row].astype(own.dtype)))
    name = candidate.name
    return samples.gathered(name, own[:, samples.own]), [_gathered(name, samples, parts) for parts in differences]


def _gathered(
    step: str, samples: Samples, parts: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """One pair of indices and predictions, of all processes."""
    nothing = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint8))
    where, values = (np.concatenate(own) for own in zip(nothing, *parts, strict=True))
    return samples.gathered(step, where), samples.gathered(step, values)
