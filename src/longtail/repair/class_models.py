"""Counts of classes around a trend: beta-binomial for right decisions, gamma-Poisson for false positives.

Both are conjugate: given the mean and the concentration of the prior, the posterior of a class is a beta or a gamma
distribution with the observed counts added.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch

FARTHEST = 15.0  # of the linear predictor: means of 3e-7 on one side


class ClassModel(Protocol):
    """Counts whose means follow a generalised linear model, and vary around it.

    Attributes:
        concentrations: (K,) grid; the larger, the less the classes vary around their means.
    """

    concentrations: ClassVar[np.ndarray]

    @property
    def observed(self) -> np.ndarray:
        """(C,) counts."""

    def start(self) -> float:
        """The linear predictor if all classes had one mean."""

    def moments(self, predictor: np.ndarray, concentration: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Expected counts, their derivative by the predictor, and the overdispersion of their variance.

        Args:
            predictor: (K, C) linear predictors.
            concentration: (K, 1).

        Returns:
            Three arrays that broadcast to (K, C).
        """

    def log_likelihood(self, predictor: np.ndarray, concentration: np.ndarray) -> np.ndarray:
        """(K,) log-likelihoods of the observed counts, with class means integrated out, up to a constant.

        Arguments as those of `moments`.
        """

    def prior(self, predictor: np.ndarray, concentration: np.ndarray) -> np.ndarray:
        """The parameters of the conjugate priors: (2, …) of the shape of the predictor."""


@dataclass(frozen=True)
class BetaBinomial:
    """Right decisions of each class, which need not be whole numbers.

    Attributes:
        right: (C,).
        size: (C,) decisions.
    """

    right: np.ndarray
    size: np.ndarray
    concentrations: ClassVar[np.ndarray] = 2.0 ** np.arange(1, 11)

    @property
    def observed(self) -> np.ndarray:
        """Those that are right."""
        return self.right

    def start(self) -> float:
        """The logit of the share that is right, with half a decision added on each side."""
        right = self.right.sum()
        return float(np.log((right + 0.5) / (self.size.sum() - right + 0.5)))

    def moments(self, predictor: np.ndarray, concentration: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """With the intraclass correlation 1 / (concentration + 1)."""
        mean = _logistic(predictor)
        overdispersion = 1 + np.maximum(self.size - 1, 0) / (concentration + 1)
        return self.size * mean, self.size * mean * (1 - mean), overdispersion

    def log_likelihood(self, predictor: np.ndarray, concentration: np.ndarray) -> np.ndarray:
        """Beta-binomial."""
        yes, no = self.prior(predictor, concentration)
        wrong = self.size - self.right
        return np.asarray((_log_beta(yes + self.right, no + wrong) - _log_beta(yes, no)).sum(-1))

    def prior(self, predictor: np.ndarray, concentration: np.ndarray) -> np.ndarray:
        """Pseudo-counts of right and wrong decisions."""
        mean = _logistic(predictor)
        return np.stack([concentration * mean, concentration * (1 - mean)])


@dataclass(frozen=True)
class GammaPoisson:
    """False positives of each class.

    Attributes:
        count: (C,).
    """

    count: np.ndarray
    concentrations: ClassVar[np.ndarray] = 2.0 ** np.arange(-1, 8)

    @property
    def observed(self) -> np.ndarray:
        """The counts."""
        return self.count

    def start(self) -> float:
        """The logarithm of the mean count, with half a count added."""
        return float(np.log((self.count.sum() + 0.5) / len(self.count)))

    def moments(self, predictor: np.ndarray, concentration: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The variance of a negative binomial distribution is 1 + mean / concentration times its mean."""
        mean = _exponential(predictor)
        return mean, mean, 1 + mean / concentration

    def log_likelihood(self, predictor: np.ndarray, concentration: np.ndarray) -> np.ndarray:
        """Negative binomial."""
        mean = _exponential(predictor)
        chosen = _log_gamma(self.count + concentration) - _log_gamma(concentration)
        both = mean + concentration
        terms = chosen + concentration * np.log(concentration / both) + self.count * np.log(mean / both)
        return np.asarray(terms.sum(-1))

    def prior(self, predictor: np.ndarray, concentration: np.ndarray) -> np.ndarray:
        """Shapes and rates."""
        mean = _exponential(predictor)
        return np.stack([np.broadcast_to(concentration, mean.shape), concentration / mean])


def _logistic(predictor: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(predictor, -FARTHEST, FARTHEST))))


def _exponential(predictor: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(np.clip(predictor, -FARTHEST, FARTHEST)))


def _log_gamma(values: np.ndarray) -> np.ndarray:
    return np.asarray(torch.lgamma(torch.from_numpy(np.asarray(values, dtype=np.float64))).numpy())


def _log_beta(yes: np.ndarray, no: np.ndarray) -> np.ndarray:
    return np.asarray(_log_gamma(yes) + _log_gamma(no) - _log_gamma(yes + no))
