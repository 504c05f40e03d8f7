"""Draws of what classes have in common: a trend in their size, and how much they vary around it.

The trend is fitted by penalised quasi-likelihood for each concentration of a grid (McCullagh and Nelder, "Generalized
Linear Models", 1989, chapter 9); each concentration is as probable as its marginal likelihood, by Laplace's
approximation (Gelman et al., "Bayesian Data Analysis", 2013, chapter 5).
"""

from typing import NamedTuple

import numpy as np

from longtail.repair.class_models import ClassModel

PENALTY = np.diag([0.01, 0.1])  # of the intercept and of the slope per standard deviation of the log size
MOST_STEPS, LONGEST_STEP = 25, 1.5


class Trend(NamedTuple):
    """A fitted trend: coefficients (2,) and their covariance (2, 2)."""

    mean: np.ndarray
    covariance: np.ndarray


def design_of(size: np.ndarray) -> np.ndarray:
    """(C, 2): a constant and the standardised logarithm of the sizes (C,)."""
    log_size = np.log(size)
    deviation = log_size - log_size.mean()
    spread = deviation.std()
    return np.stack([np.ones(len(size)), deviation / spread if spread > 1e-9 else 0 * deviation], axis=1)


def drawn_priors(model: ClassModel, normal: np.ndarray, design: np.ndarray, quantile: np.ndarray) -> np.ndarray:
    """(2, D, C) parameters of the conjugate priors of classes.

    Args:
        model: the counts.
        normal: (D, 2) standard normal values, of the coefficients.
        design: (C, 2) from `design_of`.
        quantile: (D,) in (0, 1), of the concentration.
    """
    trends = [fitted_trend(model, design, concentration) for concentration in model.concentrations]
    pick = np.searchsorted(np.cumsum(_probabilities(model, design, trends)), quantile)
    pick = np.minimum(pick, len(trends) - 1)
    root = np.stack([np.linalg.cholesky(trend.covariance) for trend in trends])[pick]
    coefficients = np.stack([trend.mean for trend in trends])[pick] + (root @ normal[:, :, None])[:, :, 0]
    return model.prior(coefficients @ design.T, model.concentrations[pick][:, None])


def fitted_trend(model: ClassModel, design: np.ndarray, concentration: float) -> Trend:
    """By Newton's method."""
    coefficients = np.array([model.start(), 0.0])
    for _ in range(MOST_STEPS):
        expected, slope, overdispersion = model.moments(design @ coefficients, concentration)
        gradient = design.T @ ((model.observed - expected) / overdispersion) - PENALTY @ coefficients
        information = design.T @ (design * (slope / overdispersion)[:, None]) + PENALTY
        step = np.linalg.solve(information, gradient)
        longest = np.abs(step).max()
        coefficients = coefficients + step * min(1.0, LONGEST_STEP / max(longest, 1e-12))
        if longest < 1e-6:
            break
    return Trend(coefficients, np.linalg.inv(information))


def _probabilities(model: ClassModel, design: np.ndarray, trends: list[Trend]) -> np.ndarray:
    """(K,) of the concentrations, which have the same prior probability."""
    logs = np.array(
        [
            model.log_likelihood(design @ trend.mean, concentration) + np.linalg.slogdet(trend.covariance)[1] / 2
            for trend, concentration in zip(trends, model.concentrations, strict=True)
        ]
    )
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())
