"""How often each class comes now: estimated from predictions on unlabelled data (Saerens et al., 2002).

With probabilities p(c | x) calibrated under a prior π, the prior ν of new data is where

    ν_c = mean_i  (ν_c / π_c) p_ic / Σ_k (ν_k / π_k) p_ik

EM finds it, never making the likelihood smaller; two steps are extrapolated to a third (SQUAREM, Varadhan and Roland,
Scandinavian Journal of Statistics 35, 2008). The fixed point of re-balancing is the same equation read the other way:
there the prior is known and the offset log ν − log π is sought, here the offset's form is known and ν is sought.

Each pass takes sums over the samples, so the samples may be in parts. Intervals are those of a Poisson bootstrap, whose
weights can be drawn for each part alone (Chamandy et al., "Estimating Uncertainty for Massive Data Streams", 2012).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from longtail.arguments import as_float64, check_fraction, check_integer
from longtail.posthoc.parts import OverParts, merged_over
from longtail.repair.prior_statistics import (
    SHAPES,
    BootstrapSums,
    LikelihoodSums,
    Support,
    bootstrap_of,
    likelihood_of,
    support_of,
)

LEAST_SHARE = 1e-6  # of a class that had none and would raise the likelihood
LEFT_TO_GAIN = 1e-4  # of the log-likelihood of all samples: 0.014 standard errors


@dataclass(frozen=True)
class PriorEstimate:
    """The result of `estimate_prior`: a class prior and its uncertainty.

    Attributes:
        prior: (C,) probabilities, which sum to 1.
        low: (C,) lower ends of the bootstrap intervals, in [0, 1].
        high: (C,) upper ends, in [0, 1].
        passes: number of passes over the data.
        converged: whether the log-likelihood can't rise by more than 1e-4; the maximum is unique in the likelihood.

    Example:
        >>> probability = np.array([[0.9, 0.1]] * 140 + [[0.1, 0.9]] * 60)
        >>> found = estimate_prior(probability, np.array([0.5, 0.5]))
        >>> found.prior.round(2), found.converged
        (array([0.75, 0.25]), True)
        >>> bool(found.low[0] > 0.5)  # class 0 is now the more frequent one
        True
    """

    prior: np.ndarray
    low: np.ndarray
    high: np.ndarray
    passes: int
    converged: bool = True


def estimate_prior(
    probability: np.ndarray,
    prior: np.ndarray,
    *,
    level: float = 0.95,
    draws: int = 100,
    seed: int = 0,
    max_passes: int = 10_000,
) -> PriorEstimate:
    """The prior of unlabelled data.

    Args:
        probability: (N, C), calibrated under `prior`.
        prior: (C,) that the probabilities take classes to have, above 0.
        level: of the intervals, in (0, 1).
        draws: of the bootstrap, each one Newton step from the estimate.
        seed: of the draws.
        max_passes: over the data.

    Raises:
        ValueError: shapes that do not fit, rows that do not sum to 1, a prior with zeros.

    Example:
        >>> probability = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]])
        >>> estimate_prior(probability, np.array([0.5, 0.5]), draws=10).prior.round(2)
        array([0.81, 0.19])

    Source: Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori Probabilities: A
    Simple Procedure", Neural Computation 14, 2002.
    """
    probability = as_float64("probability", probability)
    return _estimated(lambda statistic: statistic(probability, 0), prior, level, draws, seed, max_passes)


def estimate_prior_of_parts(
    over_parts: OverParts,
    prior: np.ndarray,
    *,
    level: float = 0.95,
    draws: int = 100,
    seed: int = 0,
    max_passes: int = 10_000,
) -> PriorEstimate:
    """`estimate_prior` of data in parts, of which no process has to hold more than one; with the same result.

    Args:
        over_parts: a function that is given a function of the probabilities (N, C) of one part and the number of
            samples in earlier parts, calls it for every part, and returns the merged results: `a.merge(b)`, in any
            order. The given function and its results can be pickled, so that parts can be in other processes. Parts
            may be empty.
        prior: (C,) that the probabilities take classes to have, above 0.
        level: of the intervals, in (0, 1).
        draws: of the bootstrap, each one Newton step from the estimate.
        seed: of the draws.
        max_passes: over the data; two more are made for checks and for the intervals.

    Raises:
        TypeError: `over_parts` does not return merged results.
        ValueError: as `estimate_prior`.

    Example:
        >>> from functools import reduce
        >>> parts = [np.array([[0.9, 0.1]] * 3), np.array([[0.1, 0.9]])]
        >>> def over_parts(statistic):
        ...     return reduce(lambda a, b: a.merge(b), [statistic(parts[0], 0), statistic(parts[1], 3)])
        >>> estimate_prior_of_parts(over_parts, np.array([0.5, 0.5]), draws=10).prior.round(2)
        array([0.81, 0.19])
    """
    return _estimated(over_parts, prior, level, draws, seed, max_passes)


def _estimated(
    over_parts: OverParts, prior: np.ndarray, level: float, draws: int, seed: int, max_passes: int
) -> PriorEstimate:
    check_fraction("level", level)
    check_integer("draws", draws, minimum=1)
    check_integer("seed", seed, minimum=0)
    prior = _checked(prior)
    support = merged_over(over_parts, partial(support_of, num_classes=len(prior)), Support)
    if not support.number:
        raise ValueError(f"{SHAPES} Got no sample.")

    def state(at: np.ndarray) -> _State:
        statistic = partial(likelihood_of, prior=prior, at=at)
        return _state(merged_over(over_parts, statistic, LikelihoodSums), at, support.number)

    start = np.where(support.possible, prior, 0.0)  # masked classes take no part
    found, passes = _maximum(state, start / start.sum(), max_passes)
    converged = found.left_to_gain <= LEFT_TO_GAIN
    if not converged:
        warnings.warn(
            f"The prior was not found in {max_passes} passes: the log-likelihood can still rise by "
            f"{found.left_to_gain:.2g}. Raise `max_passes`.",
            RuntimeWarning,
            stacklevel=3,
        )
    statistic = partial(bootstrap_of, prior=prior, at=found.prior, draws=draws, seed=seed)
    drawn = _one_step_bootstrap(merged_over(over_parts, statistic, BootstrapSums), found.prior, support.number)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return PriorEstimate(found.prior, low, high, passes, converged)


def _checked(prior: np.ndarray) -> np.ndarray:
    checked = as_float64("prior", prior)
    if checked.ndim != 1:
        raise ValueError(f"{SHAPES} Got a prior of the shape {checked.shape}.")
    if not (checked > 0).all() or abs(checked.sum() - 1) > 1e-6:
        raise ValueError(f"`prior` must be above 0 everywhere and sum to 1. Got a sum of {checked.sum():g}.")
    return checked


class _State(NamedTuple):
    """A prior, the one that a step of EM makes of it, and how good it is."""

    prior: np.ndarray
    after: np.ndarray
    likelihood: float
    left_to_gain: float


def _state(sums: LikelihoodSums, prior: np.ndarray, number: int) -> _State:
    """By concavity the mean log-likelihood lies at most max gradient − 1 below its maximum."""
    gradient = sums.gradient / number
    with np.errstate(invalid="ignore"):
        after = np.where((prior == 0) & (gradient > 1), LEAST_SHARE, prior * gradient)
        left = max(float(gradient.max()) - 1, 0.0) * number
        return _State(prior, after / after.sum(), sums.log_likelihood / number, left)


def _maximum(state_at: Callable[[np.ndarray], _State], prior: np.ndarray, max_passes: int) -> tuple[_State, int]:
    """Two steps of EM are extrapolated; where that lowers the likelihood, the first of them counts."""
    state, passes = state_at(prior), 1
    while state.left_to_gain > LEFT_TO_GAIN and passes < max_passes:
        plain = state_at(state.after)
        bold = state_at(_extrapolated(state, plain))
        state, passes = (bold if bold.likelihood >= plain.likelihood else plain), passes + 2
    return state, passes


def _extrapolated(state: _State, plain: _State) -> np.ndarray:
    """Along two steps of EM; a class that would become negative gets no share."""
    first = state.after - state.prior
    bend = plain.after - plain.prior - first
    far = max(1.0, float(np.linalg.norm(first)) / max(float(np.linalg.norm(bend)), 1e-300))
    further = np.maximum(state.prior + 2 * far * first + far**2 * bend, 0)
    return np.asarray(further / further.sum())


def _one_step_bootstrap(sums: BootstrapSums, prior: np.ndarray, number: int) -> np.ndarray:
    """(draws, C): from the estimate one Newton step to the prior of resampled data."""
    there = prior > 0
    curvature = sums.curvature[np.ix_(there, there)] / number  # of posteriors: steps are relative to the prior
    empty = sums.weight == 0  # of few samples none may be drawn
    weight = np.where(empty, 1.0, sums.weight)[:, None]
    gradient = np.where(empty[:, None], 0.0, sums.drawn[:, there] / weight - prior[there])
    step = np.linalg.lstsq(curvature, gradient.T, rcond=1e-12)[0].T
    drawn = np.zeros((len(gradient), len(prior)))
    drawn[:, there] = np.maximum(prior[there] * (1 + step), 0)
    return np.asarray(drawn / drawn.sum(1, keepdims=True))
