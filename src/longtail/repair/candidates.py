"""Candidate corrections of a trained model: how their decision rules are fitted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from longtail.posthoc.fixed_point import offsets_of_means
from longtail.posthoc.mean_predictions import MeanPredictions, mean_predictions
from longtail.repair.calibration import calibrated
from longtail.repair.coordinate_ascent import fitted_to_metric
from longtail.repair.decisions import Decision, LeastCost, Offsets
from longtail.repair.folds import Splits
from longtail.repair.metrics import ExpectedCost, Metric
from longtail.repair.samples import Samples
from longtail.repair.shrinkage import shrunk_offsets

STRENGTHS = tuple(step / 8 for step in range(13))  # with steps of 1/4 the seed of the folds moved 11 % of decisions
STRENGTHS_OF_MANY = STRENGTHS[::2]  # for so many logits that noise hardly moves the choice
TOLERANCE = 1e-3  # relative, of a class's mean prediction
BY_SAMPLES = "logit adjustment by the samples here"
MOST_WORK = 10**10  # N · C² of offsets fitted to the metric: minutes


class CandidateError(RuntimeError):
    """A candidate can't be fitted to these samples: it would take too long, or there is no best fit."""


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
    strengths: tuple[float, ...]


def candidates(
    metric: Metric, class_counts: np.ndarray | None = None, strengths: tuple[float, ...] = STRENGTHS
) -> list[Candidate]:
    """All candidates; with costs also least expected cost.

    For metrics that the most probable class optimises, offsets fitted to the metric are not among them: they take most
    of the time, and the other candidates use all samples, not only those near the decision boundary.

    Args:
        metric: what the correction is for.
        class_counts: (C,) training samples; if None, the class counts of the samples are used.
        strengths: the values of τ to choose from.
    """
    fixed_point = _remembered(_fixed_point)
    counts = None if class_counts is None else np.asarray(class_counts, dtype=np.float64)
    rules = [
        Candidate("re-balancing", _one_step, strengths),
        Candidate("re-balancing to the fixed point", fixed_point, strengths),
        Candidate("shrunk fixed point", partial(_shrunk, fixed_point, counts), strengths),
        Candidate("logit adjustment" if counts is not None else BY_SAMPLES, partial(_adjustment, counts), strengths),
    ]
    if not metric.decides_by_probability:
        rules.append(Candidate("offsets fitted to the metric", _fitted_to_metric, (0.0, 0.5, 1.0)))
    if isinstance(metric, ExpectedCost):
        rules.append(Candidate("least expected cost", _least_cost, (0.0, 1.0)))
    return rules


def _remembered(fit: Rule) -> Rule:
    """`fit`, computed once for each splits: two candidates need it."""
    known: list[tuple[Splits, Sequence[Decision]]] = []

    def remembered(samples: Samples, splits: Splits, metric: Metric) -> Sequence[Decision]:
        for own, fits in known:
            if own is splits:
                return fits
        known.append((splits, fit(samples, splits, metric)))
        return known[-1][1]

    return remembered


def _shrunk(
    fixed_point: Rule, counts: np.ndarray | None, samples: Samples, splits: Splits, metric: Metric
) -> list[Offsets]:
    """Offsets of the fixed point, of classes with few samples drawn to a line in the logarithm of the counts."""
    prior, sizes = metric.prior(samples.num_classes), _counts_here(samples) if counts is None else counts
    shrunk = []
    for fitted, own in zip(fixed_point(samples, splits, metric), _seen(samples, splits), strict=True):
        assert isinstance(fitted, Offsets)
        shrunk.append(Offsets(shrunk_offsets(fitted.direction, own, sizes, prior)))
    return shrunk


def _adjustment(counts: np.ndarray | None, samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    """Logit adjustment by training counts, or by those of all samples here and a half; nothing is fitted to scores.

    By the samples of each fit alone, a class of one sample would have a larger offset where it is held out, which is
    where it is scored, than in the rule that is served.
    """
    counts = _counts_here(samples) if counts is None else counts
    return [Offsets(adjustment_offsets(counts, metric.prior(samples.num_classes)))] * len(splits.left_out)


def _counts_here(samples: Samples) -> np.ndarray:
    return np.bincount(samples.target, samples.weight, samples.num_classes) + 0.5


def _one_step(samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    return [Offsets(offset) for offset in rebalancing_offsets(samples, splits, metric, converge=False)]


def _fixed_point(samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    return [Offsets(offset) for offset in rebalancing_offsets(samples, splits, metric, converge=True)]


def _fitted_to_metric(samples: Samples, splits: Splits, metric: Metric) -> list[Offsets]:
    if len(samples) * samples.num_classes**2 > MOST_WORK:
        raise CandidateError(
            "skipped, because it would take too long: samples × classes² must be at most "
            f"{MOST_WORK:.0e}. Got {len(samples):,} × {samples.num_classes:,}²"
        )
    starts, samples = rebalancing_offsets(samples, splits, metric, converge=False), samples.together()
    fits = zip(splits.sees[:, splits.fold], starts, strict=True)
    return [Offsets(fitted_to_metric(samples.where(seen), metric, start)) for seen, start in fits]


def _least_cost(samples: Samples, splits: Splits, metric: Metric) -> list[LeastCost]:
    assert isinstance(metric, ExpectedCost)
    prior = metric.prior(samples.num_classes)
    parts = (samples.where(seen) for seen in splits.sees[:, splits.fold])
    fits = [calibrated(part, prior, step="calibration for costs") for part in parts]
    if any(fitted.at_limit for fitted in fits):
        raise CandidateError(
            "skipped, because no temperature fits best: either the scores separate all samples of a fit, or they are "
            "unrelated to the labels"
        )
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

    def blocks(fits: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for part, logits in samples.blocks(step, precise=False):
            weight = class_weight[:, samples.target[part]] * sees[:, fold[part]] * samples.weight[part]
            yield torch.from_numpy(logits), torch.from_numpy(weight.T)[:, fits]

    def means(offset: Tensor, fits: Tensor) -> MeanPredictions:
        return samples.merged(step, mean_predictions(lambda: blocks(fits), offset, precision))

    aim = torch.from_numpy(prior)
    precision = torch.float32 if samples.logits.dtype == np.float32 else torch.float64
    if converge:
        fitted = offsets_of_means(means, aim, tolerance=TOLERANCE).numpy()
    else:
        taking_part = torch.zeros_like(aim).masked_fill(aim == 0, -torch.inf)
        fitted = (aim.log() - means(taking_part, torch.arange(len(aim))).log_mean).numpy()
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
    fitted = np.log(prior[expected]) - np.log(counts[expected])
    offset[expected] = fitted - fitted.mean()  # predictions do not change
    return offset
