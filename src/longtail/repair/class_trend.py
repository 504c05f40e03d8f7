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


class Trends(NamedTuple):
    """Fitted trends for K concentrations: coefficients (K, 2) and their covariances (K, 2, 2)."""

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
    trends = fitted_trends(model, design, model.concentrations)
    pick = np.searchsorted(np.cumsum(_probabilities(model, design, trends)), quantile)
    pick = np.minimum(pick, len(model.concentrations) - 1)
    root = np.linalg.cholesky(trends.covariance)[pick]
    coefficients = trends.mean[pick] + (root @ normal[:, :, None])[:, :, 0]
    return model.prior(coefficients @ design.T, model.concentrations[pick][:, None])


def fitted_trends(model: ClassModel, design: np.ndarray, concentrations: np.ndarray) -> Trends:
    """By Newton's method, for concentrations (K,)."""
    coefficients = np.tile([model.start(), 0.0], (len(concentrations), 1))
    for _ in range(MOST_STEPS):
        expected, slope, overdispersion = model.moments(coefficients @ design.T, concentrations[:, None])
        gradient = ((model.observed - expected) / overdispersion) @ design - coefficients @ PENALTY
        information = design.T @ ((slope / overdispersion)[:, :, None] * design) + PENALTY
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        longest = np.abs(step).max(1, keepdims=True)
        coefficients = coefficients + step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, 1e-12))
        if longest.max() < 1e-6:
            break
    return Trends(coefficients, np.linalg.inv(information))


def _probabilities(model: ClassModel, design: np.ndarray, trends: Trends) -> np.ndarray:
    """(K,) of the concentrations, which have the same prior probability."""
    logs = model.log_likelihood(trends.mean @ design.T, model.concentrations[:, None])
    logs = logs + np.linalg.slogdet(trends.covariance)[1] / 2
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())
