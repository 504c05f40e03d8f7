"""Candidate corrections of a trained model: decision rules on its logits, each with a scaling factor τ."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from longtail.posthoc.fixed_point import fixed_point_offsets
from longtail.posthoc.mean_predictions import mean_predictions
from longtail.repair.calibration import calibrated, probabilities
from longtail.repair.folds import Splits
from longtail.repair.metrics import ExpectedCost, Metric
from longtail.repair.samples import Samples

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
TOLERANCE = 1e-3  # relative, of a class's mean prediction
LEAST_OF_A_LINE = 3  # classes: through two there is always one
LEAST_SAMPLES_OF_THE_LINE, MOST_SAMPLES_OF_THE_LINE = 0.5, 100.0
BY_SAMPLES = "logit adjustment by the samples here"
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
    """All candidates; with costs also least expected cost.

    Args:
        metric: what the correction is for.
        class_counts: (C,) training samples; where they are not known, those of the samples at hand take their place.
    """
    fixed_point = _remembered(_fixed_point)
    counts = None if class_counts is None else np.asarray(class_counts, dtype=np.float64)
    rules = [
        Candidate("re-balancing", _one_step),
        Candidate("re-balancing to the fixed point", fixed_point),
        Candidate("shrunk fixed point", partial(_shrunk, fixed_point, counts)),
        Candidate("logit adjustment" if counts is not None else BY_SAMPLES, partial(_adjustment, counts)),
        Candidate("offsets fitted to the metric", _fitted_to_metric, (0.0, 0.5, 1.0)),
    ]
    if isinstance(metric, ExpectedCost):
        rules.append(Candidate("least expected cost", _least_cost, (0.0, 1.0)))
    return rules


def _remembered(fit: Rule) -> Rule:
    """`fit`, whose last result is kept for a second candidate that needs it."""
    last: list[tuple[Splits, Sequence[Decision]]] = []

    def remembered(samples: Samples, splits: Splits, metric: Metric) -> Sequence[Decision]:
        if not last or last[0][0] is not splits:
            last[:] = [(splits, fit(samples, splits, metric))]
        return last[0][1]

    return remembered


def _shrunk(
    fixed_point: Rule, counts: np.ndarray | None, samples: Samples, splits: Splits, metric: Metric
) -> list[Offsets]:
    """Offsets of the fixed point, of classes with few samples drawn to a line in the logarithm of the counts."""
    seen, prior = _seen(samples, splits), metric.prior(samples.num_classes)
    shrunk = []
    for fitted, own in zip(fixed_point(samples, splits, metric), seen, strict=True):
        assert isinstance(fitted, Offsets)
        shrunk.append(Offsets(shrunk_offsets(fitted.direction, own, own + 0.5 if counts is None else counts, prior)))
    return shrunk


def _adjustment(counts: np.ndarray | None, samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    """Logit adjustment by training counts, or by those of the samples of each fit and a half."""
    prior = metric.prior(samples.num_classes)
    if counts is not None:
        return [Offsets(adjustment_offsets(counts, prior))] * len(splits.left_out)
    return [Offsets(adjustment_offsets(own + 0.5, prior)) for own in _seen(samples, splits)]


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
    seen = _seen(samples, splits)
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


def _seen(samples: Samples, splits: Splits) -> np.ndarray:
    """(S, C) weight of the samples of each class in each fit."""
    cell = samples.target * splits.number + splits.fold
    held = np.bincount(cell, samples.weight, samples.num_classes * splits.number)
    return np.asarray(splits.sees @ held.reshape(samples.num_classes, splits.number).T)


def adjustment_offsets(counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Log prior − log counts, (C,) of mean 0; a class without prior or count gets the mean offset.

    Source: post-hoc logit adjustment, Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021, τ = 1.
    """
    expected = (prior > 0) & (counts > 0)
    offset = np.zeros(len(prior))
    offset[expected] = centred(np.log(prior[expected]) - np.log(counts[expected]))
    return offset


def shrunk_offsets(offset: np.ndarray, seen: np.ndarray, counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Offsets (C,) of mean 0 over the classes of positive prior, those of classes with few samples shrunk to a line.

    An offset that is fitted to n samples of a class has a variance of about v/n. A line in log `counts` is fitted to
    all offsets, less log prior, with weights n; the variance t of true offsets about it and v are those by which
    t + v/n fits the squared residuals best. The offset of a class is n/(n + k) of its own and k/(n + k) of the line,
    with k = v/t: the mean of a normal posterior (empirical Bayes).

    Args:
        offset: (C,) fitted offsets.
        seen: (C,) weight of the samples, n; the offset of a class with none is that of the line.
        counts: (C,) positive.
        prior: (C,); a class of prior 0 keeps its offset.
    """
    part = (prior > 0) & (counts > 0)
    own, n, x = offset[part] - np.log(prior[part]), seen[part], np.log(counts[part])
    if len(own) < LEAST_OF_A_LINE or not n.any():
        return offset
    x_mean, mean = np.average(x, weights=n), np.average(own, weights=n)
    variance = np.average((x - x_mean) ** 2, weights=n)
    slope = np.average((x - x_mean) * (own - mean), weights=n) / variance if variance > 0 else 0.0
    line = mean + slope * (x - x_mean)
    share = n / (n + _samples_of_the_line((own - line)[n > 0], n[n > 0]))
    shrunk = offset.copy()
    shrunk[part] = share * own + (1 - share) * line + np.log(prior[part])
    shrunk[part] -= shrunk[part].mean()
    return shrunk


def _samples_of_the_line(residual: np.ndarray, n: np.ndarray) -> float:
    """The ratio v/t of the non-negative least squares fit of t + v/n to squared residuals, within limits."""
    weight, square = np.sqrt(n / (n + 1)), residual**2
    design = np.stack([np.ones(len(n)), 1 / n], axis=1) * weight[:, None]
    (t, v), *_ = np.linalg.lstsq(design, square * weight, rcond=None)
    if t <= 0:
        return MOST_SAMPLES_OF_THE_LINE
    return float(np.clip(max(v, 0.0) / t, LEAST_SAMPLES_OF_THE_LINE, MOST_SAMPLES_OF_THE_LINE))


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
        for label in _rarest_first(scores, target):
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


def _rarest_first(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The classes with samples, in an order that does not depend on that of the columns."""
    labels, count = np.unique(target, return_counts=True)
    margin = np.bincount(target, scores[np.arange(len(target)), target] - scores.max(1))[labels]
    return np.asarray(labels[np.lexsort((margin, count))])
