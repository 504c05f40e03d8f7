"""scikit-learn's handwritten digits with a long tail: real images that come with a package, for demonstrations.

1,797 grey images of 8 × 8 pixels in 10 classes (E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits,
UCI Machine Learning Repository, 1998). 40 of each class are the test set, always the same; a long-tailed subset of the
others, drawn by the seed, is the training set.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longtail.data.labels import class_counts
from longtail.data.subset import long_tailed_indices

TEST_PER_CLASS = 40


class Digits(NamedTuple):
    """Images are (N, 8, 8) float32 in [0, 1], labels (N,) int64, `class_counts` (10,) those of the training set."""

    train_images: Tensor
    train_target: Tensor
    test_images: Tensor
    test_target: Tensor
    class_counts: Tensor


def long_tailed_digits(imbalance: float = 50, *, seed: int = 0) -> Digits:
    """Digits whose training set has a long tail, digit 0 the most frequent.

    Args:
        imbalance: largest over smallest training class, at least 1.
        seed: draws the training subset; the test set stays.

    Raises:
        ModuleNotFoundError: scikit-learn is missing.
        ValueError, TypeError: as `long_tailed_indices`.

    Example:
        >>> long_tailed_digits(imbalance=50).class_counts.tolist()
        [138, 89, 57, 37, 24, 15, 10, 6, 4, 2]
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "The digits come with scikit-learn: install longtail with its extra `digits`"
        ) from error
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float() / 16
    labels = torch.from_numpy(bunch.target).long()
    order = np.random.RandomState(0).permutation(len(labels))
    by_class = [order[bunch.target[order] == label] for label in range(10)]
    test = torch.from_numpy(np.concatenate([indices[:TEST_PER_CLASS] for indices in by_class]))
    rest = torch.from_numpy(np.sort(np.concatenate([indices[TEST_PER_CLASS:] for indices in by_class])))
    train = rest[torch.from_numpy(long_tailed_indices(labels[rest], imbalance, seed=seed))]
    return Digits(images[train], labels[train], images[test], labels[test], class_counts(labels[train]))
