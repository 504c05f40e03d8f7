"""The training samples whose predictions are kept: all, or as many of each class as fit."""

from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from longtail.data import Split
from longtail.data.most_of_each import most_of_each_class

MOST_LOGITS = 1 << 28
"""Numbers: 1 GB of float32. All training samples of iNaturalist 2018 would need 14 GB, twice."""


@runtime_checkable
class Takes(Protocol):
    """A split of which a part can be taken."""

    def take(self, indices: Tensor) -> Split:
        """The samples at these indices, in their order."""
        ...


def kept_for_predictions(train: Split, num_classes: int) -> tuple[Split, str | None]:
    """Training samples whose logits fit, and a note where they are not all.

    Args:
        train: the training samples; all are kept of a split without `take`.
        num_classes: C.

    Returns:
        All samples, or at random as many of each class as there can be: what is fitted on them weights classes alike.
    """
    if len(train) * num_classes <= MOST_LOGITS or not isinstance(train, Takes):
        return train, None
    target = train.target.cpu().numpy()
    most = most_of_each_class(np.bincount(target, minlength=num_classes), MOST_LOGITS // num_classes)
    shuffled = np.random.default_rng(0).permutation(len(target))
    by_class = shuffled[np.argsort(target[shuffled], kind="stable")]
    starts = np.searchsorted(target[by_class], np.arange(num_classes))
    place = np.arange(len(target)) - starts[target[by_class]]
    kept = np.sort(by_class[place < most])
    note = (
        f"predictions of the training samples are kept of {len(kept):,} of {len(target):,}, "
        f"at most {most} of each class"
    )
    return cast(Takes, train).take(torch.from_numpy(kept).to(train.target.device)), note
