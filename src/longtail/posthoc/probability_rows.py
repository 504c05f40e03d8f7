"""Rows that are probabilities: exact, or after rounding to decimals or to half precision."""

from torch import Tensor

EXACT = 9.995e-4  # not 0.001: sums of 3 decimals would lie on it, on this or that side by the order of summation
HALF_PRECISION = 2.0**-7  # sums of bfloat16 that were rounded one by one, each by at most 2⁻⁹ of its size
MOST = 0.1  # a sum that is further off says little
MOST_DECIMALS = 4
NEAR = 1e-6  # how close to a number of few decimals a value must be; float32 can't hold most of them
SLACK = 1e-9  # of sums in floating point


def rounding(rows: Tensor) -> float:
    """How far from 1 a sum may be because the numbers were rounded: C · ½ · 10⁻ᵈ for numbers of d decimals.

    Args:
        rows: (N, C) or (C,), in [0, 1].

    Example:
        >>> import torch
        >>> rounding(torch.tensor([0.33, 0.33, 0.33], dtype=torch.float64))
        0.015
    """
    values = rows.double()
    for decimals in range(1, MOST_DECIMALS + 1):
        scaled = values * 10**decimals
        if ((scaled - scaled.round()).abs() < NEAR * 10**decimals).all():
            return tolerance_of_decimals(rows.shape[-1], decimals)
    return HALF_PRECISION


def tolerance_of_decimals(num_classes: int, decimals: int) -> float:
    """How far from 1 the sum of `num_classes` numbers of so many decimals may be, in [2⁻⁷, 0.1]."""
    return float(min(MOST, max(HALF_PRECISION, num_classes * 0.5 / 10**decimals)))


def look_like_probabilities(rows: Tensor) -> bool:
    """Whether no value is negative and each row, (N, C) or (C,), sums to 1, but for rounding."""
    if not (rows >= 0).all():
        return False
    off = (rows.double().sum(-1) - 1).abs()
    return bool((off < EXACT).all() or ((off <= MOST).all() and (off <= rounding(rows) + SLACK).all()))
