"""Rows that are probabilities: exact, or after rounding to decimals or to half precision."""

from torch import Tensor

EXACT = 1e-3
HALF_PRECISION = 2.0**-7  # sums of bfloat16 that were rounded one by one, each by at most 2⁻⁹ of its size
MOST = 0.1  # a sum that is further off says little
MOST_DECIMALS = 4


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
        if ((scaled - scaled.round()).abs() < 1e-6 * 10**decimals).all():
            return float(min(MOST, max(HALF_PRECISION, rows.shape[-1] * 0.5 / 10**decimals)))
    return HALF_PRECISION


def look_like_probabilities(rows: Tensor) -> bool:
    """Whether no value is negative and each row, (N, C) or (C,), sums to 1, but for rounding."""
    if not (rows >= 0).all():
        return False
    off = (rows.double().sum(-1) - 1).abs()
    return bool((off < EXACT).all() or ((off <= MOST).all() and (off <= rounding(rows) + 1e-9).all()))
