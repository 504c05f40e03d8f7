"""The shape of a long tail, and classes with too few samples to learn from or to evaluate on."""

from dataclasses import dataclass

import numpy as np

from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.doctor.findings import Finding
from longtail.metrics.groups import FEW_BELOW, MANY_ABOVE, USUAL

NEARLY_EMPTY = 5
HALF_WIDTH = 0.05
Z = 1.96


@dataclass(frozen=True)
class TailShape:
    """Summary of class counts; classes without a sample count in `classes` only.

    Attributes:
        classes: C.
        samples: N.
        imbalance: largest over smallest class.
        gini: Gini coefficient in [0, 1): 0 for classes of one size, near 1 if one class has nearly all samples.
        effective_classes: exponential of the entropy of the class frequencies, in [1, C].
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
    """The shape of class counts (C,), at least one of which is above 0.

    Example:
        >>> tail_shape(np.array([1000, 100, 10])).imbalance
        100.0
    """
    counts = np.sort(class_counts[class_counts > 0]).astype(np.float64)
    share = counts / counts.sum()
    rank = np.arange(1, len(counts) + 1)
    gini = float((2 * rank - len(counts) - 1) @ counts / (len(counts) * counts.sum()))
    many, medium, few = (int(own.sum()) for own in USUAL.members(counts).values())
    return TailShape(
        len(class_counts),
        int(counts.sum()),
        float(counts[-1] / counts[0]),
        gini,
        float(np.exp(-(share * np.log(share)).sum())),
        many,
        medium,
        few,
    )


def tail_findings(class_counts: np.ndarray, class_names: tuple[str, ...], part: str) -> list[Finding]:
    """Findings about the training set: its shape, and classes with few or no samples."""
    shape = tail_shape(class_counts)
    found = [
        Finding(
            "fact",
            f"{counted(shape.samples, 'sample', 'samples')} in {counted(shape.classes, 'class', 'classes')}; "
            f"imbalance factor {shape.imbalance:.4g}, Gini {shape.gini:.2f}, as diverse as "
            f"{shape.effective_classes:.1f} equal classes; {shape.many} many (> {MANY_ABOVE}), "
            f"{shape.medium} medium, {shape.few} few (< {FEW_BELOW})",
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
                "Leave these classes out, or find samples: no model can learn them.",
            )
        )
    scarce = [class_names[c] for c in np.flatnonzero((class_counts > 0) & (class_counts < NEARLY_EMPTY))]
    if scarce:
        found.append(
            Finding(
                "warning",
                f"{counted(len(scarce), 'class has', 'classes have')} fewer than {NEARLY_EMPTY} samples",
                f"{part}: {first(scarce)}",
                "Their recall depends on single samples; merge classes, or collect more samples.",
            )
        )
    return found


def measuring_findings(
    class_counts: np.ndarray, training_counts: np.ndarray, class_names: tuple[str, ...], part: str
) -> list[Finding]:
    """Findings about a set to evaluate on: classes that training lacks, classes without a sample, a small tail."""
    found = []
    unknown = [class_names[c] for c in np.flatnonzero((class_counts > 0) & (training_counts == 0))]
    if unknown:
        found.append(
            Finding(
                "serious",
                f"{counted(len(unknown), 'class has', 'classes have')} no training sample",
                f"{part}: {first(unknown)}",
                "Recall is 0 whatever is trained: leave such classes out of the average.",
            )
        )
    missing = [class_names[c] for c in np.flatnonzero((class_counts == 0) & (training_counts > 0))]
    if missing:
        found.append(
            Finding(
                "warning",
                f"{counted(len(missing), 'class has', 'classes have')} no sample to evaluate on",
                f"{part}: {first(missing)}",
                "No score covers them; hold out a sample of each.",
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
                    f"the mean recall of the few ({counted(tail.sum(), 'class', 'classes')}) can be off by "
                    f"{100 * width:.0f} points by chance (95 %), measured on "
                    f"{counted(class_counts[tail].sum(), 'sample', 'samples')}",
                    part,
                    f"About {needed} samples of each of them would bring it to {100 * HALF_WIDTH:.0f} points.",
                )
            )
    return found


def half_width(samples: np.ndarray) -> float:
    """Half the width of the 95 % interval of the mean recall of classes, for recalls of 0.5, where it is widest.

    Args:
        samples: (C,) test samples of each class, all above 0.

    Example:
        >>> round(half_width(np.array([100])), 3)
        0.098
    """
    return float(Z * np.sqrt((0.25 / samples).sum()) / len(samples))
