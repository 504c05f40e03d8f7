"""Margins of labelled samples, and the scale of logits that they give: robust to masked classes and broken rows."""

import numpy as np

NARROWEST = 1e-140  # a smaller scale could not be divided by
IMPOSSIBLE = 1e5  # times the usual margin below the best class: masked, or of probability 0 at all T that are allowed
MASKED_LOGIT = -1e200  # of a masked class, in place of -inf: differences of two are defined


def own_margins(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(N,) logit of each sample's class minus the best of the others; +inf if all others are masked.

    Args:
        logits: (N, C) float64, writable; each sample's own class is finite.
        target: (N,) class indices.

    Example:
        >>> own_margins(np.array([[3.0, 1.0, -np.inf], [3.0, 1.0, 0.0]]), np.array([0, 2])).tolist()
        [2.0, -3.0]
    """
    rows = np.arange(len(target))
    own = logits[rows, target]
    logits[rows, target] = -np.inf
    best = logits.max(1)
    logits[rows, target] = own
    return np.where(best <= MASKED_LOGIT, np.inf, own - best)


def spread_of(margin: np.ndarray, weight: np.ndarray) -> float:
    """The scale of logits: the median distance between a sample's class and the best other one; 1 for constant rows.

    A column or a minority of rows of extreme logits does not change it, unlike a standard deviation.

    Args:
        margin: (N,) from `own_margins`.
        weight: (N,) sample weights; a sample of weight 2 counts as two.

    Example:
        >>> spread_of(np.array([2.0, -3.0, 1.0, 0.0, np.inf]), np.ones(5))
        2.0
    """
    kept = np.isfinite(margin) & (margin != 0)
    if not kept.any():
        return 1.0
    distance, own = np.abs(margin[kept]), weight[kept]
    order = np.argsort(distance)
    below = np.cumsum(own[order])
    half = below[-1] / 2 * np.array([1 - 1e-12, 1 + 1e-12])  # between two samples, the mean of both
    found = float(distance[order][np.searchsorted(below, half)].mean())
    return found if found > NARROWEST else 1.0
