"""Statistics of unlabelled probabilities for the estimate of a prior: of parts of the samples, which merge."""

from dataclasses import dataclass

import numpy as np

from longtail.arguments import as_float64
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.parts import check_same_classes

POISSON = np.exp(-1) * np.cumsum(1 / np.cumprod(np.r_[1.0, np.arange(1, 19)]))  # P(at most 0, 1, …), with mean 1
SHAPES = "`probability` and `prior` must have the shapes (N, C) and (C,), N at least 1."
AT_ONCE = 4  # random numbers in a step of the generator


@dataclass(frozen=True)
class Support:
    """How many samples there are, and (C,) whether a class has a probability above 0 in one of them."""

    number: int
    possible: np.ndarray

    def merge(self, other: "Support") -> "Support":
        """Of the samples of both parts.

        Raises:
            ValueError: another number of classes.
        """
        check_same_classes(len(self.possible), len(other.possible))
        return Support(self.number + other.number, self.possible | other.possible)


@dataclass(frozen=True)
class LikelihoodSums:
    """The log-likelihood of a prior ν and its gradient (C,), summed over samples."""

    log_likelihood: float
    gradient: np.ndarray

    def merge(self, other: "LikelihoodSums") -> "LikelihoodSums":
        """Of the samples of both parts, at the same prior."""
        return LikelihoodSums(self.log_likelihood + other.log_likelihood, self.gradient + other.gradient)


@dataclass(frozen=True)
class BootstrapSums:
    """Sums of posteriors s, (C,) each, over samples.

    Attributes:
        curvature: (C, C) Σ s sᵀ.
        drawn: (D, C) Σ w s, for the weights w of each draw.
        weight: (D,) Σ w.
    """

    curvature: np.ndarray
    drawn: np.ndarray
    weight: np.ndarray

    def merge(self, other: "BootstrapSums") -> "BootstrapSums":
        """Of the samples of both parts, at the same prior."""
        return BootstrapSums(self.curvature + other.curvature, self.drawn + other.drawn, self.weight + other.weight)


def support_of(probability: np.ndarray, first: int, *, num_classes: int) -> Support:
    """The samples of a part (N, C), which may be empty.

    Raises:
        ValueError: another number of classes, or rows that do not sum to 1.
    """
    checked = as_float64("probability", probability)
    if checked.ndim != 2 or checked.shape[1] != num_classes:
        raise ValueError(f"{SHAPES} Got {checked.shape} and ({num_classes},).")
    if len(checked) and (not (checked >= 0).all() or np.abs(checked.sum(1) - 1).max() > 1e-3):
        raise ValueError("`probability` must hold rows of values of at least 0 that sum to 1. It does not.")
    return Support(len(checked), np.asarray(checked.any(0)))


def likelihood_of(probability: np.ndarray, first: int, *, prior: np.ndarray, at: np.ndarray) -> LikelihoodSums:
    """At the prior `at` (C,), of probabilities (N, C) under `prior` (C,)."""
    p = np.asarray(probability, dtype=np.float64)
    likelihood = p @ (at / prior)
    with np.errstate(divide="ignore", invalid="ignore"):  # a row of classes that all have no share: never kept
        return LikelihoodSums(float(np.log(likelihood).sum()), (1 / likelihood) @ p / prior)


def bootstrap_of(
    probability: np.ndarray, first: int, *, prior: np.ndarray, at: np.ndarray, draws: int, seed: int
) -> BootstrapSums:
    """At the prior `at` (C,), of probabilities (N, C) under `prior` (C,).

    A sample's weight is Poisson-distributed with mean 1, and depends on the seed, the draw and the number of the
    sample, which is `first` for the first one: so it does not depend on how the samples are divided.
    """
    p, number = np.asarray(probability, dtype=np.float64), len(at)
    steps = -(-draws // AT_ONCE)
    generator = np.random.Generator(np.random.Philox(seed).advance(first * steps))
    curvature, drawn, weight = np.zeros((number, number)), np.zeros((draws, number)), np.zeros(draws)
    for block in row_blocks(*p.shape):
        posterior = p[block] * (at / prior)
        posterior /= posterior.sum(1, keepdims=True)
        uniform = generator.random((len(posterior), steps * AT_ONCE))[:, :draws]
        own = np.searchsorted(POISSON, uniform, side="right").astype(np.float64)
        curvature += posterior.T @ posterior
        drawn += own.T @ posterior
        weight += own.sum(0)
    return BootstrapSums(curvature, drawn, weight)
