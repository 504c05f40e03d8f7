"""How often each class comes now: estimated from predictions on unlabelled data (Saerens et al., 2002).

With probabilities p(c | x) calibrated under a prior π, the prior ν of new data is where

    ν_c = mean_i  (ν_c / π_c) p_ic / Σ_k (ν_k / π_k) p_ik

EM finds it, never making the likelihood smaller; two steps are extrapolated to a third (SQUAREM, Varadhan and Roland,
Scandinavian Journal of Statistics 35, 2008). The fixed point of re-balancing is the same equation read the other way:
there the prior is known and the offset log ν − log π is sought, here the offset's form is known and ν is sought.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LEAST_SHARE = 1e-6  # of a class that had none and would raise the likelihood
LEFT_TO_GAIN = 1e-4  # of the log-likelihood of all samples: 0.014 standard errors


@dataclass(frozen=True)
class PriorEstimate:
    """A prior and how sure it is.

    Attributes:
        prior: (C,) probabilities.
        low: (C,) lower ends of the bootstrap intervals.
        high: (C,) upper ends.
        passes: over the data.
        converged: whether the log-likelihood can't rise by more than 1e-4; the maximum is unique in the likelihood.
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
    probability, prior = np.asarray(probability, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    if probability.ndim != 2 or prior.shape != probability.shape[1:] or not len(probability):
        raise ValueError(
            "`probability` and `prior` must have the shapes (N, C) and (C,), N at least 1. "
            f"Got {probability.shape} and {prior.shape}."
        )
    if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
        raise ValueError(f"`prior` must be above 0 everywhere and sum to 1. Got a sum of {prior.sum():g}.")
    if not (probability >= 0).all() or np.abs(probability.sum(1) - 1).max() > 1e-3:
        raise ValueError("`probability` must hold rows of values of at least 0 that sum to 1. It does not.")
    ratio = probability / prior
    prior = np.where(probability.any(0), prior, 0.0)  # masked classes take no part
    prior /= prior.sum()
    found, passes = _maximum(ratio, prior, max_passes)
    converged = found.left_to_gain <= LEFT_TO_GAIN
    if not converged:
        warnings.warn(
            f"The prior was not found in {max_passes} passes: the log-likelihood can still rise by "
            f"{found.left_to_gain:.2g}. Raise `max_passes`.",
            RuntimeWarning,
            stacklevel=2,
        )
    drawn = _one_step_bootstrap(ratio, found.prior, draws, np.random.default_rng(seed))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return PriorEstimate(found.prior, low, high, passes, converged)


class _State(NamedTuple):
    """A prior, the one that a step of EM makes of it, and how good it is."""

    prior: np.ndarray
    after: np.ndarray
    likelihood: float
    left_to_gain: float


def _state(ratio: np.ndarray, prior: np.ndarray) -> _State:
    """By concavity the mean log-likelihood lies at most max gradient − 1 below its maximum."""
    likelihood = ratio @ prior
    with np.errstate(divide="ignore", invalid="ignore"):  # a row of classes that all have no share: never kept
        gradient = (1 / likelihood) @ ratio / len(ratio)
        mean_log = float(np.log(likelihood).mean())
    after = np.where((prior == 0) & (gradient > 1), LEAST_SHARE, prior * gradient)
    left = max(float(gradient.max()) - 1, 0.0) * len(ratio)
    return _State(prior, after / after.sum(), mean_log, left)


def _maximum(ratio: np.ndarray, prior: np.ndarray, max_passes: int) -> tuple[_State, int]:
    """Two steps of EM are extrapolated; where that lowers the likelihood, the first of them counts."""
    state, passes = _state(ratio, prior), 1
    while state.left_to_gain > LEFT_TO_GAIN and passes < max_passes:
        plain = _state(ratio, state.after)
        bold = _state(ratio, _extrapolated(state, plain))
        state, passes = (bold if bold.likelihood >= plain.likelihood else plain), passes + 2
    return state, passes


def _extrapolated(state: _State, plain: _State) -> np.ndarray:
    """Along two steps of EM; a class that would become negative gets no share."""
    first = state.after - state.prior
    bend = plain.after - plain.prior - first
    far = max(1.0, float(np.linalg.norm(first)) / max(float(np.linalg.norm(bend)), 1e-300))
    further = np.maximum(state.prior + 2 * far * first + far**2 * bend, 0)
    return np.asarray(further / further.sum())


def _one_step_bootstrap(ratio: np.ndarray, prior: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws, C): from the estimate one Newton step to the prior of samples that are drawn anew."""
    number, there = len(ratio), prior > 0
    scaled = ratio[:, there] / (ratio @ prior)[:, None] * prior[there]  # posteriors: steps are relative to the prior
    curvature = scaled.T @ scaled / number
    weight = rng.multinomial(number, np.full(number, 1 / number), size=draws)
    gradient = weight @ scaled / number - prior[there]
    step = np.linalg.lstsq(curvature, gradient.T, rcond=1e-12)[0].T
    drawn = np.zeros((draws, len(prior)))
    drawn[:, there] = np.maximum(prior[there] * (1 + step), 0)
    return np.asarray(drawn / drawn.sum(1, keepdims=True))
