"""Thresholds of split conformal prediction: marginal, class-wise, and interpolated between both (INTERP-Q).

Each sample has a value for its own class, larger where the model is surer. Of n samples the ⌈(n + 1)(1 − α)⌉-th largest
value is the threshold: a new sample of the same distribution is at or above it with probability 1 − α at least, on
average over the n samples. With too few samples for that rank the threshold is 0, below which no value lies.
"""

import math
from fractions import Fraction

import torch
from torch import Tensor

from longtail.arguments import check_real


def check_miscoverage(name: str, value: float) -> None:
    """Raise unless 0 < `value` < 1."""
    check_real(name, value)
    if not 0 < value < 1:
        raise ValueError(
            f"`{name}` must lie between 0 and 1. Got {value}. For sets that hold the true class of 90 % of the "
            "samples, pass 0.1."
        )


def rank_of_threshold(num_samples: int, miscoverage: float) -> int:
    """⌈(n + 1)(1 − α)⌉, for α as it is written in decimals: 0.1 is a tenth.

    Example:
        >>> rank_of_threshold(9, 0.1), rank_of_threshold(8, 0.1)  # the second has too few samples
        (9, 9)
    """
    return math.ceil((num_samples + 1) * (1 - Fraction(str(float(miscoverage)))))


def fewest_samples(miscoverage: float) -> int:
    """The smallest number of samples with a threshold above 0, ⌈1/α⌉ − 1.

    Example:
        >>> fewest_samples(0.1), fewest_samples(0.05)
        (9, 19)
    """
    return math.ceil(1 / Fraction(str(float(miscoverage)))) - 1


def marginal_threshold(values: Tensor, miscoverage: float) -> float:
    """The threshold of values (N,) ≥ 0; 0 if there are too few.

    Example:
        >>> marginal_threshold(torch.arange(1, 10) / 8, miscoverage=0.2)  # the eighth largest of nine
        0.25
    """
    rank = rank_of_threshold(len(values), miscoverage)
    if rank > len(values):
        return 0.0
    return float(values.double().kthvalue(len(values) - rank + 1).values)


def classwise_thresholds(values: Tensor, labels: Tensor, num_classes: int, miscoverage: float) -> Tensor:
    """The threshold of each class from its own samples, (C,) float64; 0 for a class that has too few."""
    counts = torch.bincount(labels, minlength=num_classes)
    parts = torch.split(values[labels.argsort()], counts.tolist())
    return torch.tensor([marginal_threshold(part, miscoverage) for part in parts], dtype=torch.float64)


def interpolated_thresholds(values: Tensor, labels: Tensor, num_classes: int, miscoverage: float, tau: float) -> Tensor:
    """Thresholds τ · class-wise + (1 − τ) · marginal, (C,) float64.

    Args:
        values: (N,) values of the own class, ≥ 0.
        labels: (N,) class indices.
        num_classes: C.
        miscoverage: α.
        tau: τ, from 0, one threshold for all classes, to 1, a threshold for each class.
    """
    marginal = torch.full((num_classes,), marginal_threshold(values, miscoverage), dtype=torch.float64)
    if tau == 0:
        return marginal
    # lerp, not two products: where both thresholds are equal it returns them to the last bit
    return marginal.lerp(classwise_thresholds(values, labels, num_classes, miscoverage), tau)
