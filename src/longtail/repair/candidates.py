"""Candidate corrections of a trained model: decision rules on its logits, each with a scaling factor τ."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from longtail.posthoc import PostHocLogitAdjustment
from longtail.posthoc.fixed_point import fixed_point_offsets
from longtail.posthoc.mean_predictions import mean_predictions
from longtail.repair.calibration import calibrated, probabilities
from longtail.repair.folds import Splits
from longtail.repair.metrics import ExpectedCost, Metric
from longtail.repair.samples import Samples

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
TOLERANCE = 1e-3  # relative, of a class's mean prediction
MOST_WORK = 10**10  # N · C² of offsets fitted to the metric: minutes


class TooMuchWorkError(RuntimeError):
    """A candidate would take too long on this number of logits."""


class Decision(Protocol):
    """A fitted decision rule."""

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """Class indices (N,) for logits (N, C); `strength` is τ, and τ = 0 gives the argmax of the logits."""

    def decide_for_all(self, logits: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
        """(T, N) class indices for T ascending values of τ, the first of which is 0."""


@dataclass(frozen=True)
class Offsets:
    """argmax(z + τ · direction)."""

    direction: np.ndarray

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """See `Decision.decide`."""
        if strength == 0:
            return np.asarray(logits.argmax(1))
        return np.asarray((logits + (strength * self.direction).astype(logits.dtype)).argmax(1))

    def decide_for_all(self, logits: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
        """See `Decision.decide_for_all`.

        A class that wins at two values of τ wins at all between, because scores are linear in τ; so only samples whose
        class differs at both ends of a range are decided within it.
        """
        decided = np.empty((len(strengths), len(logits)), dtype=np.int64)
        for place in {0, len(strengths) - 1}:
            decided[place] = self.decide(logits, strengths[place])
        ranges = [(0, len(strengths) - 1, logits, np.arange(len(logits)))]
        while ranges:
            low, high, block, rows = ranges.pop()
            if high - low < 2:
                continue
            decided[low + 1 : high, rows] = decided[low, rows]
            open_ones = np.flatnonzero(decided[low, rows] != decided[high, rows])
            middle, block, rows = (low + high) // 2, block[open_ones], rows[open_ones]
            decided[middle, rows] = self.decide(block, strengths[middle])
            ranges += [(low, middle, block, rows), (middle, high, block, rows)]
        return decided


@dataclass(frozen=True)
class LeastCost:
    """The class of the least expected cost under calibrated probabilities: argmin_j Σ_c p_c cost_cj."""

    temperature: float
    offset: np.ndarray
    cost: np.ndarray

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """See `Decision.decide`; τ is 0 or 1."""
        if strength == 0:
            return np.asarray(logits.argmax(1))
        return np.asarray((probabilities(logits, self.temperature, self.offset) @ self.cost).argmin(1))

    def decide_for_all(self, logits: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
        """See `Decision.decide_for_all`."""
        return np.stack([self.decide(logits, strength) for strength in strengths])


Rule = Callable[[Samples, Splits, Metric], Sequence[Decision]]


@dataclass(frozen=True)
class Candidate:
    """One candidate.

    Attributes:
        name: name in reports.
        fit: function that returns one fitted decision rule per fit of the splits.
        strengths: the values of τ to choose from; 0 is the uncorrected model.
    """

    name: str
    fit: Rule
    strengths: tuple[float, ...] = STRENGTHS


def candidates(metric: Metric, class_counts: np.ndarray | None = None) -> list[Candidate]:
    """All candidates; with training counts also logit adjustment, with costs also least expected cost."""
    rules = [
        Candidate("re-balancing", _one_step),
        Candidate("re-balancing to the fixed point", _fixed_point),
        Candidate("offsets fitted to the metric", _fitted_to_metric, (0.0, 0.5, 1.0)),
    ]
    if isinstance(metric, ExpectedCost):
        rules.append(Candidate("least expected cost", _least_cost, (0.0, 1.0)))
    if class_counts is not None:
        counts = np.asarray(class_counts)

        def adjustment(samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
            prior = metric.prior(samples.num_classes)
            expected = prior > 0  # the others get the mean offset
            offset = np.zeros(len(prior))
            method = PostHocLogitAdjustment(counts[expected], target_prior=prior[expected] / prior[expected].sum())
            offset[expected] = centred(method.fit().offset_)
            return [Offsets(offset)] * len(splits.left_out)

        rules.insert(2, Candidate("logit adjustment", adjustment))
    return rules


def _one_step(samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    return [Offsets(offset) for offset in rebalancing_offsets(samples, splits, metric, converge=False)]


def _fixed_point(samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    return [Offsets(offset) for offset in rebalancing_offsets(samples, splits, metric, converge=True)]


def _fitted_to_metric(samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    if len(samples) * samples.num_classes**2 > MOST_WORK:
        raise TooMuchWorkError(
            "skipped, because it would take too long: samples × classes² must be at most "
            f"{MOST_WORK:.0e}. Got {len(samples):,} × {samples.num_classes:,}²"
        )
    starts = rebalancing_offsets(samples, splits, metric, converge=False)
    fits = zip(splits.sees[:, splits.fold], starts, strict=True)
    return [Offsets(fitted_to_metric(samples.where(seen), metric, start)) for seen, start in fits]


def _least_cost(samples: Samples, splits: Splits, metric: Metric) -> list[LeastCost]:
    assert isinstance(metric, ExpectedCost)
    prior = metric.prior(samples.num_classes)
    parts = (samples.where(seen) for seen in splits.sees[:, splits.fold])
    fits = [calibrated(part, prior, step="calibration for costs") for part in parts]
    return [LeastCost(fitted.temperature, fitted.offset, metric.cost) for fitted in fits]


def rebalancing_offsets(samples: Samples, splits: Splits, metric: Metric, *, converge: bool) -> np.ndarray:
    """The offsets of re-balancing to the metric's prior, (S, C) with mean 0, for all fits in the same passes.

    Each fit re-balances the classes that have samples in it; the others get the mean offset. It takes one pass, or
    with `converge` one per step to the fixed point.

    Raises:
        NoFixedPointError: with `converge`, no convergence.
    """
    num_classes, fold = samples.num_classes, splits.fold
    cell = samples.target * splits.number + fold
    held = np.bincount(cell, samples.weight, num_classes * splits.number).reshape(num_classes, splits.number)
    seen = splits.sees @ held.T
    expected = (seen > 0) & (metric.prior(num_classes) > 0)
    offset = np.zeros(expected.shape)
    used = expected.sum(1) >= 2
    if not used.any():
        return offset
    expected, sees = expected[used], splits.sees[used]
    prior = np.where(expected, metric.prior(num_classes), 0)
    prior /= prior.sum(1, keepdims=True)
    class_weight = np.divide(prior, seen[used], out=np.zeros_like(prior), where=expected)
    step = "re-balancing to the fixed point" if converge else "re-balancing"

    def blocks() -> Iterator[tuple[Tensor, Tensor]]:
        for part, logits in samples.blocks(step, precise=False):
            weight = class_weight[:, samples.target[part]] * sees[:, fold[part]] * samples.weight[part]
            yield torch.from_numpy(logits), torch.from_numpy(weight.T)

    aim = torch.from_numpy(prior)
    precision = torch.float32 if samples.logits.dtype == np.float32 else torch.float64
    if converge:
        fitted = fixed_point_offsets(blocks, aim, tolerance=TOLERANCE, precision=precision).numpy()
    else:
        taking_part = torch.zeros_like(aim).masked_fill(aim == 0, -torch.inf)
        fitted = (aim.log() - mean_predictions(blocks, taking_part, precision).log_mean).numpy()
    mean = np.where(expected, fitted, 0).sum(1, keepdims=True) / expected.sum(1, keepdims=True)
    offset[used] = np.where(expected, fitted - mean, 0)
    return offset


def centred(offset: np.ndarray) -> np.ndarray:
    """Subtract the mean; predictions do not change."""
    return np.asarray(offset - offset.mean())


def fitted_to_metric(
    samples: Samples, metric: Metric, start: np.ndarray, *, sweeps: int = 2, steps: int = 16
) -> np.ndarray:
    """Offsets that increase the metric on these samples, by coordinate ascent over the classes from `start` (C,).

    The offset of each class is set to the best of `steps` values, which are quantiles of its margins to the best other
    class. It can overfit classes with few samples, so it must be scored on other data.
    """
    target, weight, num_classes = samples.target, samples.weight, samples.num_classes
    step = "offsets fitted to the metric"
    scores = np.concatenate([logits + start for _, logits in samples.blocks(step)])
    offset = start.copy()
    best = metric.score(target, scores.argmax(1), weight, num_classes)
    rows = np.arange(len(target))
    for _ in range(sweeps):
        for label in np.unique(target):
            own = scores[:, label].copy()
            scores[:, label] = -np.inf
            rival = scores.argmax(1)
            margin = scores[rows, rival] - own
            # Between the margins of two samples, so that there are no ties.
            places = np.quantile(margin, (np.arange(steps) + 0.5) / steps)
            values = [
                metric.score(target, np.where(margin < move, label, rival), weight, num_classes) for move in places
            ]
            move = 0.0
            if max(values) > best + 1e-12:
                best, move = max(values), float(places[int(np.argmax(values))])
            scores[:, label] = own + move
            offset[label] += move
    return centred(offset)
