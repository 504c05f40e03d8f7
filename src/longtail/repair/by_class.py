"""Results per class and per group of classes."""

from collections.abc import Sequence

import numpy as np

from longtail.metrics.groups import GroupBounds
from longtail.repair.findings import ByClass
from longtail.repair.metrics import recalls


def class_groups(class_counts: np.ndarray | None, seen: np.ndarray, bounds: GroupBounds) -> dict[str, np.ndarray]:
    """Many, medium and few by training counts; without counts, thirds of the classes by their number of samples."""
    if class_counts is not None:
        return bounds.members(class_counts)
    rank = np.empty(len(seen), dtype=np.int64)
    rank[np.argsort(-seen, kind="stable")] = np.arange(len(seen))
    third = rank * 3 // len(seen)
    return {"head third": third == 0, "middle third": third == 1, "tail third": third == 2}


def by_class(
    target: np.ndarray,
    before: np.ndarray,
    after: Sequence[np.ndarray],
    class_counts: np.ndarray | None,
    number: int,
) -> ByClass:
    """Recall and predictions of each class, before and after.

    Args:
        target: (N,) class indices.
        before: (N,) predictions.
        after: (N,) predictions each, of which the mean is taken.
        class_counts: (C,) training samples, if known.
        number: C.
    """
    samples = np.bincount(target, minlength=number)
    (old, old_times), *new = [_recall_and_times(target, own, number) for own in (before, *after)]
    # Exactly the recalls where all are equal.
    recall, times = (found[0] + np.mean(np.stack(found) - found[0], axis=0) for found in zip(*new, strict=True))
    training = samples if class_counts is None else class_counts
    return ByClass(
        training, samples, (old, recall), (old_times, np.rint(times).astype(np.int64)), class_counts is not None
    )


def _recall_and_times(target: np.ndarray, predicted: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    recall, present = recalls(target, predicted, np.ones(len(target)), number)
    return np.where(present, recall, np.nan), np.bincount(predicted, minlength=number)
