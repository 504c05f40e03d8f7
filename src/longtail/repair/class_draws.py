"""Draws of the true recalls and false positives of classes before and after a correction, given the decisions.

A class of few samples borrows from the others through a trend in the class size (`class_trend`). The draws before and
after share what they have in common: the same samples, and most of the prior.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from longtail.repair.class_models import BetaBinomial, ClassModel, GammaPoisson
from longtail.repair.class_trend import design_of, drawn_priors
from longtail.repair.independent_units import independent_units
from longtail.repair.labels import Labels

MOST_DRAWS, FEWEST_DRAWS = 1000, 200
MOST_VALUES = 2_000_000  # draws × classes
SHARED = 0.7  # of what the priors before and after can share; with all of it, intervals for macro-F1 are too narrow
DIGITS = 9  # of counts, so that rounding errors do not change the draws of gamma variables


@dataclass(frozen=True, eq=False)
class ClassDraws:
    """What draws are made from, for the C classes that have a sample.

    Attributes:
        support: (C,) weight of the samples.
        outcomes: (4, C) samples that are right both times, only before, only after, never; as effective sample
            sizes.
        false: (3, C) false positives that are the same both times, only before, only after; as effective sizes.
        reached: share of the false positives before and after that are of these classes.
        repeat: index of the repeat of the decisions, from 0; it seeds the draws.
        repeats: number of repeats, among which the draws are divided: those of all repeats are pooled.
    """

    support: np.ndarray
    outcomes: np.ndarray
    false: np.ndarray
    reached: tuple[float, float]
    repeat: int = 0
    repeats: int = 1

    @cached_property
    def recall(self) -> np.ndarray:
        """(2, D, C) recalls before and after."""
        rng = np.random.default_rng((self.repeat, 0))
        both, before, after, never = self.outcomes
        size = self.outcomes.sum(0)
        right = both + before, both + after
        covariance = (both - right[0] * right[1] / size).sum()
        variance = [(own * (size - own) / size).sum() for own in right]
        correlation = max(_ratio(covariance, np.sqrt(variance[0] * variance[1])), 0.0)
        priors = self._priors([BetaBinomial(own, size) for own in right], correlation, rng)
        yes = _sharing_gammas(priors[:, 0], _ratio(both.sum(), min(own.sum() for own in right)), rng)
        no = _sharing_gammas(priors[:, 1], _ratio(never.sum(), min((size - own).sum() for own in right)), rng)
        seen = rng.standard_gamma(np.broadcast_to(self.outcomes[:, None], (4, *yes.shape[1:])))
        yes += seen[0] + seen[1:3]
        no += seen[3] + seen[2:0:-1]
        return np.asarray(yes / (yes + no))

    @cached_property
    def false_positives(self) -> np.ndarray:
        """(2, D, C) weight of false positives before and after, in all that of wrong decisions for these classes."""
        rng = np.random.default_rng((self.repeat, 1))
        same, before, after = self.false
        count = same + before, same + after
        total = [own.sum() for own in count]
        correlation = _ratio(same.sum(), np.sqrt(total[0] * total[1]))
        priors = self._priors([GammaPoisson(own) for own in count], correlation, rng)
        drawn = _sharing_gammas(priors[:, 0], _ratio(same.sum(), min(total)), rng)
        seen = rng.standard_gamma(np.broadcast_to(np.stack([same, before, after])[:, None], (3, *drawn.shape[1:])))
        drawn = (drawn + seen[0] + seen[1:]) / (1 + priors[:, 1])
        wrong = (self.support * (1 - self.recall)).sum(-1, keepdims=True)
        return np.asarray(drawn / drawn.sum(-1, keepdims=True) * wrong * np.reshape(self.reached, (2, 1, 1)))

    def _priors(self, models: Sequence[ClassModel], correlation: float, rng: np.random.Generator) -> np.ndarray:
        """(2, 2, D, C) parameters of the priors before and after, whose trends are correlated."""
        design = design_of(self.support)
        number = -(-int(np.clip(MOST_VALUES // len(design), FEWEST_DRAWS, MOST_DRAWS)) // self.repeats)
        quantile = (rng.permutation(number) + 0.5) / number
        shared = SHARED * min(correlation, 1.0)
        one, other = rng.standard_normal((2, number, 2))
        normals = one, shared * one + np.sqrt(1 - shared**2) * other
        return np.stack([drawn_priors(*own, design, quantile) for own in zip(models, normals, strict=True)])


def _sharing_gammas(shapes: np.ndarray, overlap: float, rng: np.random.Generator) -> np.ndarray:
    """(2, D, C) gamma variables of these shapes, which have a part in common: a sum of gammas is a gamma."""
    common = SHARED * min(overlap, 1.0) * shapes.min(0)
    return np.asarray(rng.standard_gamma(common) + rng.standard_gamma(shapes - common))


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def class_draws(
    labels: Labels, before: np.ndarray, after: np.ndarray, *, inflation: float = 1.0, repeat: int = 0, repeats: int = 1
) -> ClassDraws:
    """Draws for decisions on labelled samples. They depend neither on the order of samples nor on that of classes.

    Args:
        labels: of the N samples.
        before: (N,) predictions.
        after: (N,) predictions.
        inflation: of variances, by groups that span several classes.
        repeat: index of the repeat of the decisions, from 0.
        repeats: number of repeats, among which the draws are divided.
    """
    target, num_classes, groups = labels.target, labels.num_classes, labels.groups
    weight = labels.weight / labels.weight.sum()
    support = labels.support / labels.weight.sum()
    kept = support > 0
    right = target == before, target == after
    cells = right[0] & right[1], right[0] & ~right[1], ~right[0] & right[1], ~right[0] & ~right[1]
    share = np.stack([np.bincount(target, weight * cell, num_classes) for cell in cells])[:, kept] / support[kept]
    outcomes = share * labels.effective_sizes[kept] / inflation
    same = cells[3] & (before == after)
    wrong = (before, same), (before, ~right[0] & ~same), (after, ~right[1] & ~same)
    counted = np.stack([np.bincount(own[cell], weight[cell], num_classes) for own, cell in wrong])
    totals = counted[0] + counted[1], counted[0] + counted[2]
    reached = [float(own[kept].sum() / own.sum()) if own.any() else 1.0 for own in totals]
    false = counted[:, kept] / _unit_of_false(wrong, groups, weight) / inflation
    keys = np.round(np.vstack([false, outcomes, support[kept]]), DIGITS)
    order = np.lexsort(keys)
    return ClassDraws(
        support[kept][order], keys[3:7, order], keys[:3, order], (reached[0], reached[1]), repeat, repeats
    )


def _unit_of_false(
    wrong: tuple[tuple[np.ndarray, np.ndarray], ...], groups: np.ndarray | None, weight: np.ndarray
) -> float:
    """Σ w² / Σ w over the independent false positives."""
    parts = [
        independent_units(own[cell], weight[cell], None if groups is None else groups[cell]) for own, cell in wrong
    ]
    totals = np.concatenate([part.weight for part in parts])
    return _ratio((totals**2).sum(), totals.sum()) or 1.0
