"""Long-tailed subsets of balanced data (Cao et al., "Learning Imbalanced Datasets with LDAM", NeurIPS 2019).

With C classes, n samples in the largest and imbalance factor IF, class c keeps

    exp    int(n · IF^{−c/(C−1)})
    step   n for the first half of the classes, int(n / IF) for the rest

and the samples it keeps are the first of a seeded shuffle, as in the authors' code: their seed 0 gives the CIFAR-10-LT
and CIFAR-100-LT that the field compares on.
"""

from typing import Any

import numpy as np

from longtail.arguments import check_choice, check_integer, check_positive
from longtail.data.labels import labels_of

PROFILES = ("exp", "step")


def long_tailed_counts(num_classes: int, max_count: int, imbalance: float, profile: str = "exp") -> np.ndarray:
    """Samples of each class, (C,) int64, head first.

    Args:
        num_classes: C, at least 2.
        max_count: n, samples of the largest class, at least 1.
        imbalance: IF, largest over smallest class, at least 1.
        profile: "exp" or "step".

    Raises:
        ValueError, TypeError: an argument outside what is written above.

    Example:
        >>> long_tailed_counts(num_classes=5, max_count=500, imbalance=100)
        array([500, 158,  50,  15,   5])
    """
    check_integer("num_classes", num_classes, minimum=2)
    check_integer("max_count", max_count, minimum=1)
    check_positive("imbalance", imbalance)
    if imbalance < 1:
        raise ValueError(f"`imbalance` must be at least 1, largest over smallest class. Got {imbalance!r}.")
    check_choice("profile", profile, PROFILES)
    smallest = 1 / imbalance
    if profile == "exp":
        counts = [int(max_count * smallest ** (c / (num_classes - 1.0))) for c in range(num_classes)]
    else:
        head = num_classes // 2
        counts = [max_count] * head + [int(max_count * smallest)] * (num_classes - head)
    return np.array(counts, dtype=np.int64)


def long_tailed_indices(
    labels: Any, imbalance: float, profile: str = "exp", *, seed: int = 0, max_count: int | None = None
) -> np.ndarray:
    """Indices of a long-tailed subset: class 0 is the head, the last class the tail.

    The subset of a larger imbalance is part of that of a smaller one with the same seed.

    Args:
        labels: (N,) class indices, or anything that `class_counts` takes.
        imbalance: IF, largest over smallest class, at least 1.
        profile: "exp" or "step".
        seed: in [0, 2^32).
        max_count: samples of the largest class; by default as many as every class can follow, which on balanced data
            is all of them.

    Returns:
        (M,) int64, class after class.

    Raises:
        ValueError: a class would keep no sample or has too few; an argument outside what is written above.

    Example:
        >>> long_tailed_indices(np.repeat([0, 1, 2], 4), imbalance=4)
        array([ 2,  3,  1,  0,  4,  6, 11])
    """
    labels = labels_of(labels, "labels")
    check_integer("seed", seed, minimum=0)
    if seed >= 2**32:
        raise ValueError(f"`seed` must be below 2^32. Got {seed}.")
    available = np.bincount(labels)
    if not available.all():
        raise ValueError(f"`labels` must hold every class from 0 on. Class {int(available.argmin())} has no sample.")
    if max_count is None:
        max_count = _largest_head(available, imbalance, profile)
    counts = long_tailed_counts(len(available), max_count, imbalance, profile)
    _check_feasible(counts, available)
    shuffle = np.random.RandomState(seed).shuffle  # the generator of the authors' code
    kept = []
    for label, count in enumerate(counts):
        indices = np.flatnonzero(labels == label)
        shuffle(indices)
        kept.append(indices[:count])
    return np.concatenate(kept)


def _largest_head(available: np.ndarray, imbalance: float, profile: str) -> int:
    shares = long_tailed_counts(len(available), 10**9, imbalance, profile) / 10**9
    return int((available / shares).min() + 1e-6)


def _check_feasible(counts: np.ndarray, available: np.ndarray) -> None:
    if counts.min() < 1:
        raise ValueError(
            f"`imbalance` must leave at least one sample in every class. Class {int(counts.argmin())} would keep none: "
            f"the largest class has only {counts[0]}."
        )
    if (counts > available).any():
        label = int(np.flatnonzero(counts > available)[0])
        raise ValueError(
            f"`max_count` must not ask for more than there is. Class {label} has {available[label]} samples; "
            f"{counts[label]} were asked for."
        )
