"""Results per class and per group of classes."""

import numpy as np

from longtail.metrics.scores import FEW_BELOW, MANY_ABOVE
from longtail.repair.findings import ByClass
from longtail.repair.metrics import recalls


def class_groups(class_counts: np.ndarray | None, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Many, medium and few by training counts; without counts, thirds of the classes by their number of samples."""
    if class_counts is not None:
        many, few = class_counts > MANY_ABOVE, class_counts < FEW_BELOW
        return {"many": many, "medium": ~many & ~few, "few": few}
    rank = np.empty(len(seen), dtype=np.int64)
    rank[np.argsort(-seen, kind="stable")] = np.arange(len(seen))
    third = rank * 3 // len(seen)
    return {"head third": third == 0, "middle third": third == 1, "tail third": third == 2}


def by_class(
    target: np.ndarray, both: tuple[np.ndarray, np.ndarray], class_counts: np.ndarray | None, number: int
) -> ByClass:
    """Recall and predictions of each class, before and after.

    Args:
        target: (N,) class indices.
        both: (N,) predictions before and after.
        class_counts: (C,) training samples, if known.
        number: C.
    """
    ones = np.ones(len(target))
    samples = np.bincount(target, minlength=number)
    before, after = (
        (
            np.where(samples > 0, recalls(target, predicted, ones, number)[0], np.nan),
            np.bincount(predicted, None, number),
        )
        for predicted in both
    )
    training = samples if class_counts is None else class_counts
    return ByClass(training, samples, (before[0], after[0]), (before[1], after[1]), class_counts is not None)
