"""Scores of prediction sets: coverage over all samples, over classes and of many, medium and few; size.

Classes without a test sample enter no average: their coverage is NaN and they are named in `absent`.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import as_class_indices, from_numpy
from longtail.class_vectors import as_class_counts
from longtail.metrics.groups import FEW_BELOW, MANY_ABOVE, GroupBounds
from longtail.metrics.scores import Labels, as_tensor, groups_of, indices_of


class SetScores(NamedTuple):
    """What `set_scores` returns; fractions in [0, 1], NaN where there was nothing to average.

    Attributes:
        coverage: fraction of samples whose set contains the true class, the marginal coverage.
        macro_coverage: mean coverage of the classes that are present.
        many: mean coverage of the present classes with more than 100 training samples.
        medium: of those with 20 to 100.
        few: of those with fewer than 20.
        mean_size: mean number of classes in a set.
        empty: fraction of sets without any class.
        class_coverage: (C,) coverage of each class, NaN where absent.
        support: (C,) test samples of each class.
        absent: the classes without a test sample, which entered no average.
        groups: the present classes that `many`, `medium` and `few` averaged; empty without class counts.

    Example:
        >>> scores = set_scores([[True, True, False], [False, False, False]], [0, 1], class_counts=[500, 30, 5])
        >>> {name: round(value, 2) for name, value in scores.scalars().items()}
        {'coverage': 0.5, 'macro_coverage': 0.5, 'many': 1.0, 'medium': 0.0, 'few': nan, 'mean_size': 1.0, 'empty': 0.5}
        >>> scores.groups, scores.absent  # class 2 has no test sample
        ({'many': (0,), 'medium': (1,), 'few': ()}, (2,))
    """

    coverage: Tensor
    macro_coverage: Tensor
    many: Tensor
    medium: Tensor
    few: Tensor
    mean_size: Tensor
    empty: Tensor
    class_coverage: Tensor
    support: Tensor
    absent: tuple[int, ...]
    groups: dict[str, tuple[int, ...]]

    def scalars(self) -> dict[str, float]:
        """The single numbers by name, for a logger; NaN where there was nothing to average."""
        names = ("coverage", "macro_coverage", "many", "medium", "few", "mean_size", "empty")
        return {name: getattr(self, name).item() for name in names}


def set_scores(
    sets: Tensor | np.ndarray | list[list[bool]],
    target: Labels,
    *,
    class_counts: Tensor | np.ndarray | list[int] | None = None,
    many_above: int = MANY_ABOVE,
    few_below: int = FEW_BELOW,
) -> SetScores:
    """All scores of prediction sets at once, such as those of `PredictionSets.predict_sets`.

    Args:
        sets: (N, C) booleans, which classes are in the set of each sample.
        target: (N,) class indices.
        class_counts: (C,) **training** samples of each class, for many / medium / few.
        many_above: "many" classes have more training samples than this.
        few_below: "few" classes have fewer than this.

    Raises:
        ValueError, TypeError: shapes, dtypes or labels that do not fit.

    Example:
        >>> scores = set_scores(np.array([[True, True], [True, False], [True, False]]), np.array([0, 0, 1]))
        >>> scores.coverage.item(), scores.macro_coverage.item(), scores.mean_size.item()
        (0.6666666666666666, 0.5, 1.3333333333333333)
    """
    inside, labels = _checked(sets, target)
    num_classes = inside.shape[1]
    counts = None if class_counts is None else as_class_counts(class_counts)
    precise = torch.float32 if inside.device.type == "mps" else torch.float64  # which MPS does not have
    covered = inside.gather(1, labels[:, None])[:, 0]
    support = torch.bincount(labels, minlength=num_classes)
    coverage = torch.bincount(labels[covered], minlength=num_classes).to(precise) / support.to(precise)
    sizes = inside.sum(1)
    present = support > 0
    groups = groups_of(counts, present, GroupBounds(many_above, few_below))
    return SetScores(
        coverage=covered.to(precise).mean(),
        macro_coverage=coverage[present].mean(),
        **{name: coverage[list(groups.get(name, ()))].mean() for name in ("many", "medium", "few")},
        mean_size=sizes.to(precise).mean(),
        empty=(sizes == 0).to(precise).mean(),
        class_coverage=coverage,
        support=support,
        absent=indices_of(~present),
        groups=groups,
    )


def _checked(sets: Tensor | np.ndarray | list[list[bool]], target: Labels) -> tuple[Tensor, Tensor]:
    """Booleans (N, C) and int64 labels (N,) on one device; raises as `set_scores` does."""
    inside = sets.detach() if isinstance(sets, Tensor) else from_numpy("sets", sets)
    if inside.dtype != torch.bool:
        raise TypeError(
            f"`sets` must hold booleans (N, C), which classes are in each set. Got {inside.dtype}. Pass what "
            "`predict_sets` returns."
        )
    labels = as_tensor("target", target).to(inside.device)
    if inside.dim() != 2 or inside.shape[1] < 2 or labels.shape != inside.shape[:1]:
        raise ValueError(
            "`sets` and `target` must have the shapes (N, C), with C at least 2, and (N,). "
            f"Got {tuple(inside.shape)} and {tuple(labels.shape)}."
        )
    hint = "Do the sets and the labels belong to the same classes?"
    return inside, as_class_indices("target", labels, inside.shape[1], hint)
