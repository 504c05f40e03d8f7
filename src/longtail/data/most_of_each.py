"""How many samples of each class fit where only so many can be kept: smaller classes are kept whole."""

import numpy as np


def most_of_each_class(counts: np.ndarray, samples: int) -> int:
    """The largest m such that at most m samples of each class are together at most so many; at least 1.

    Args:
        counts: (C,) samples of each class.
        samples: the most that can be kept.

    Example:
        >>> most_of_each_class(np.array([9, 3, 1]), samples=8)
        4
    """
    larger = len(counts) - np.cumsum(np.bincount(counts))
    kept = np.cumsum(larger[:-1])  # with at most 1, 2, … of each class
    return int(np.searchsorted(kept, samples, side="right")) or 1
