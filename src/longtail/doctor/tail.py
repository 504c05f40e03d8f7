"""The shape of a long tail, and where it leaves too little to learn from or to measure by."""

from dataclasses import dataclass

import numpy as np

from longtail.data.first_of_many import first
from longtail.doctor.findings import Finding
from longtail.metrics.scores import FEW_BELOW, MANY_ABOVE

NEARLY_EMPTY = 5
HALF_WIDTH = 0.05
Z = 1.96


@dataclass(frozen=True)
class TailShape:
    """Numbers of a set of class counts; classes without a sample count in none but `classes`.

    Attributes:
        classes: C.
        samples: N.
        imbalance: largest over smallest class.
        gini: 0 where all classes are alike, towards 1 where one has nearly all.
        effective_classes: e to the entropy of the frequencies: so many equal classes would have it.
        many: classes of more than 100 samples.
        medium: of 20 to 100.
        few: of fewer than 20.

    Example:
        >>> shape = tail_shape(np.array([100, 100, 100]))
        >>> shape.imbalance, shape.gini, round(shape.effective_classes, 6)
        (1.0, 0.0, 3.0)
    """

    classes: int
    samples: int
    imbalance: float
    gini: float
    effective_classes: float
    many: int
    medium: int
    few: int


def tail_shape(class_counts: np.ndarray) -> TailShape:
    """The shape of class counts (C,), of which one at least is above 0."""
    counts = np.sort(class_counts[class_counts > 0]).astype(np.float64)
    share = counts / counts.sum()
    rank = np.arange(1, len(counts) + 1)
    gini = float((2 * rank - len(counts) - 1) @ counts / (len(counts) * counts.sum()))
    many, few = int((counts > MANY_ABOVE).sum()), int((counts < FEW_BELOW).sum())
    return TailShape(
        len(class_counts),
        int(counts.sum()),
        float(counts[-1] / counts[0]),
        gini,
        float(np.exp(-(share * np.log(share)).sum())),
        many,
        len(counts) - many - few,
        few,
    )


def tail_findings(class_counts: np.ndarray, class_names: tuple[str, ...], part: str) -> list[Finding]:
    """Of the training set: its shape, and classes that hold next to nothing."""
    shape = tail_shape(class_counts)
    found = [
        Finding(
            "fact",
            f"{shape.samples:,} samples in {shape.classes:,} classes; imbalance factor {shape.imbalance:.4g}, Gini "
            f"{shape.gini:.2f}, as diverse as {shape.effective_classes:.1f} equal classes; {shape.many} many (> "
            f"{MANY_ABOVE}), {shape.medium} medium, {shape.few} few (< {FEW_BELOW})",
            part,
        )
    ]
    empty = [class_names[c] for c in np.flatnonzero(class_counts == 0)]
    if empty:
        found.append(
            Finding(
                "serious",
                f"{len(empty)} of {shape.classes} classes have no sample",
                f"{part}: {first(empty)}",
                "Leave these classes out, or find samples: nothing can learn them.",
            )
        )
    scarce = [class_names[c] for c in np.flatnonzero((class_counts > 0) & (class_counts < NEARLY_EMPTY))]
    if scarce:
        found.append(
            Finding(
                "warning",
                f"{len(scarce)} classes have fewer than {NEARLY_EMPTY} samples",
                f"{part}: {first(scarce)}",
                "Expect their recall to hang on single images; join classes, or collect more.",
            )
        )
    return found


def measuring_findings(
    class_counts: np.ndarray, training_counts: np.ndarray, class_names: tuple[str, ...], part: str
) -> list[Finding]:
    """Of a set to measure by: classes that training lacks, classes without a sample, a tail number that is a guess."""
    found = []
    unknown = [class_names[c] for c in np.flatnonzero((class_counts > 0) & (training_counts == 0))]
    if unknown:
        found.append(
            Finding(
                "serious",
                f"{len(unknown)} classes are measured that have no training sample",
                f"{part}: {first(unknown)}",
                "Their recall is 0 whatever is trained: leave them out of the average.",
            )
        )
    missing = [class_names[c] for c in np.flatnonzero((class_counts == 0) & (training_counts > 0))]
    if missing:
        found.append(
            Finding(
                "warning",
                f"{len(missing)} classes have no sample to measure by",
                f"{part}: {first(missing)}",
                "No score speaks of them; hold out a sample of each.",
            )
        )
    tail = (training_counts > 0) & (training_counts < FEW_BELOW) & (class_counts > 0)
    if tail.any():
        width = half_width(class_counts[tail])
        if width > HALF_WIDTH:
            needed = int(np.ceil(Z**2 * 0.25 / (tail.sum() * HALF_WIDTH**2)))
            found.append(
                Finding(
                    "warning",
                    f"the mean recall of the {tail.sum()} few classes can be off by {100 * width:.0f} points by chance "
                    f"(95 %); they have {class_counts[tail].sum()} samples",
                    part,
                    f"About {needed} samples of each of them would bring it to {100 * HALF_WIDTH:.0f} points.",
                )
            )
    return found


def half_width(samples: np.ndarray) -> float:
    """Half the 95 % interval of the mean recall of classes with so many samples each, at its widest (recalls of 0.5).

    Example:
        >>> round(half_width(np.array([100])), 3)
        0.098
    """
    return float(Z * np.sqrt((0.25 / samples).sum()) / len(samples))
