"""Probabilistic contrastive learning, view by view, as Du et al. (TPAMI 2024) define it."""

import math
from collections.abc import Sequence

import torch
from scipy.special import gammaln, ive


def concentration(mean: Sequence[float], largest: float) -> float:
    """κ of a class whose projections have this mean (Banerjee et al., JMLR 2005, Eq. 4.4)."""
    length = math.sqrt(sum(value * value for value in mean))
    if length >= 1:
        return largest
    return min(largest, length * (len(mean) - length**2) / (1 - length**2))


def minus_log_normaliser(kappa: float, dimensions: int) -> float:
    """log(I_ν(κ) / κ^ν): 1/C_D(κ) of the von Mises-Fisher distribution without its power of 2π."""
    order = dimensions / 2 - 1
    if kappa == 0:
        return -order * math.log(2) - gammaln(order + 1)
    return math.log(ive(order, kappa)) + kappa - order * math.log(kappa)


def probabilistic_contrastive(
    projections: torch.Tensor,
    target: Sequence[int],
    means: torch.Tensor,
    prior: Sequence[float],
    temperature: float,
    largest: float = 1e5,
) -> list[float]:
    """The loss of each view, in float64."""
    losses = []
    for view, label in zip(projections.double().tolist(), target, strict=True):
        expected = []
        for mean in means.double().tolist():
            length = math.sqrt(sum(value * value for value in mean))
            kappa = concentration(mean, largest)
            moved = [
                (kappa * own / length if length else 0.0) + value / temperature
                for own, value in zip(mean, view, strict=True)
            ]
            new = math.sqrt(sum(value * value for value in moved))
            expected.append(minus_log_normaliser(new, len(view)) - minus_log_normaliser(kappa, len(view)))
        terms = [math.log(share) + value for share, value in zip(prior, expected, strict=True)]
        highest = max(terms)
        losses.append(highest + math.log(sum(math.exp(term - highest) for term in terms)) - terms[label])
    return losses
