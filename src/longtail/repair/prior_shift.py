"""How often each class comes now: estimated from predictions on unlabelled data (Saerens et al., 2002).

With probabilities p(c | x) calibrated under a prior π, the prior ν of new data is where

    ν_c = mean_i  (ν_c / π_c) p_ic / Σ_k (ν_k / π_k) p_ik

EM finds it, never making the likelihood smaller. The fixed point of re-balancing is the same equation read the other
way: there the prior is known and the offset log ν − log π is sought, here the offset's form is known and ν is sought.
"""

from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-8


@dataclass(frozen=True)
class PriorEstimate:
    """A prior and how sure it is.

    Attributes:
        prior: (C,) probabilities.
        low: (C,) lower ends of the bootstrap intervals.
        high: (C,) upper ends.
        passes: over the data until it stood still.
    """

    prior: np.ndarray
    low: np.ndarray
    high: np.ndarray
    passes: int


def estimate_prior(
    probability: np.ndarray,
    prior: np.ndarray,
    *,
    level: float = 0.95,
    draws: int = 100,
    seed: int = 0,
    max_passes: int = 1000,
) -> PriorEstimate:
    """The prior of unlabelled data.

    Args:
        probability: (N, C), calibrated under `prior`.
        prior: (C,) that the probabilities take classes to have, above 0.
        level: of the intervals, in (0, 1).
        draws: of the bootstrap.
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
    ones = np.ones(len(probability))
    estimate, passes = _expectation_maximisation(ratio, prior, ones, max_passes)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        weight = rng.multinomial(len(ratio), ones / len(ratio)).astype(np.float64)
        drawn.append(_expectation_maximisation(ratio, estimate, weight, max_passes)[0])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return PriorEstimate(estimate, low, high, passes)


def _expectation_maximisation(
    ratio: np.ndarray, prior: np.ndarray, weight: np.ndarray, max_passes: int
) -> tuple[np.ndarray, int]:
    for number in range(1, max_passes + 1):
        likelihood = ratio @ prior
        new = prior * ((weight / likelihood) @ ratio) / weight.sum()
        if np.abs(new - prior).max() < TOLERANCE:
            return new, number
        prior = new
    return prior, max_passes
