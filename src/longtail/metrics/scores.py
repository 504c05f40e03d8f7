"""Scores that a long tail asks for, from three counts a class: samples, correct predictions, predictions.

Classes without a test sample enter no average: their recall is NaN and they are named in `absent`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import (
    as_class_indices,
    check_choice,
    check_integer,
    column_hint,
    from_numpy,
    refuse_class_counts,
)
from longtail.class_vectors import as_class_counts
from longtail.metrics.groups import FEW_BELOW, MANY_ABOVE, USUAL, GroupBounds

Labels = Tensor | np.ndarray | Sequence[Any]


class ClassTally(NamedTuple):
    """Per class, each (C,) int64: test samples, correct predictions, predictions of it."""

    support: Tensor
    correct: Tensor
    predicted: Tensor


class LongTailScores(NamedTuple):
    """What `long_tail_scores` returns; all fractions in [0, 1], NaN where there was nothing to average.

    Attributes:
        top1: fraction of samples predicted correctly.
        balanced_accuracy: mean recall of the classes that are present.
        many: mean recall of the present classes with more than 100 training samples.
        medium: of those with 20 to 100.
        few: of those with fewer than 20.
        macro_f1: mean F1 of the classes that are present; scikit-learn also averages an F1 of 0 of classes that are
            only predicted (`macro_f1(..., predicted_absent="zero")`).
        recall: (C,) recall of each class, NaN where absent.
        support: (C,) test samples of each class.
        predicted: (C,) predictions of each class.
        absent: the classes without a test sample, which entered no average.
        groups: the present classes that `many`, `medium` and `few` averaged; empty without class counts.

    Example:
        >>> scores = long_tail_scores([0, 0, 0, 1], [0, 0, 1, 1], class_counts=[500, 30, 5])
        >>> {name: round(value, 2) for name, value in scores.scalars().items()}
        {'top1': 0.75, 'balanced_accuracy': 0.75, 'many': 1.0, 'medium': 0.5, 'few': nan, 'macro_f1': 0.73}
        >>> scores.groups, scores.absent  # class 2 has no test sample
        ({'many': (0,), 'medium': (1,), 'few': ()}, (2,))
    """

    top1: Tensor
    balanced_accuracy: Tensor
    many: Tensor
    medium: Tensor
    few: Tensor
    macro_f1: Tensor
    recall: Tensor
    support: Tensor
    predicted: Tensor
    absent: tuple[int, ...]
    groups: dict[str, tuple[int, ...]]

    def scalars(self) -> dict[str, float]:
        """The single numbers by name, for a logger; NaN where there was nothing to average."""
        names = ("top1", "balanced_accuracy", "many", "medium", "few", "macro_f1")
        return {name: getattr(self, name).item() for name in names}


def long_tail_scores(
    predictions: Labels,
    target: Labels,
    num_classes: int | None = None,
    *,
    class_counts: Tensor | np.ndarray | list[int] | None = None,
    many_above: int = MANY_ABOVE,
    few_below: int = FEW_BELOW,
) -> LongTailScores:
    """All scores at once.

    Args:
        predictions: (N,) predicted classes, or (N, C) logits or probabilities, whose largest entry is taken; a tensor,
            an array or a list.
        target: (N,) class indices.
        num_classes: C; may be left out where `class_counts` or (N, C) predictions show it.
        class_counts: (C,) **training** samples of each class, for many / medium / few.
        many_above: "many" classes have more training samples than this.
        few_below: "few" classes have fewer than this.

    Raises:
        ValueError, TypeError: shapes, dtypes or labels that do not fit.

    Example:
        >>> import torch
        >>> scores = long_tail_scores(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), class_counts=[500, 10, 5])
        >>> scores.many.item(), scores.few.item(), scores.absent
        (1.0, 0.5, (2,))
    """
    counts = None if class_counts is None else as_class_counts(class_counts)
    if counts is not None and num_classes not in (None, counts.numel()):
        raise ValueError(
            f"`class_counts` must hold {num_classes} classes, as `num_classes` says. Got {counts.numel()}."
        )
    tally = tally_classes(predictions, target, num_classes if counts is None else counts.numel())
    return scores_of(tally, counts, GroupBounds(many_above, few_below))


def tally_classes(predictions: Labels, target: Labels, num_classes: int | None = None) -> ClassTally:
    """Count samples, correct predictions and predictions of each class; arguments as in `long_tail_scores`."""
    predictions, target = as_tensor("predictions", predictions), as_tensor("target", target)
    if num_classes is not None:
        refuse_class_counts(num_classes)
        check_integer("num_classes", num_classes, minimum=2)
    shape = tuple(predictions.shape)
    if predictions.dim() == 2 and predictions.shape[1] != 1:
        num_classes = predictions.shape[1] if num_classes is None else num_classes
        predictions = _argmax(predictions, num_classes)
    if predictions.shape != target.shape or target.dim() != 1:
        raise ValueError(
            "`predictions` and `target` must have the shapes (N,) or (N, C) and (N,). "
            f"Got {shape} and {tuple(target.shape)}."
            + (column_hint("predictions", predictions) or column_hint("target", target) or _what_to_pass(shape, target))
        )
    if num_classes is None:
        raise ValueError("`num_classes` must be given where neither class counts nor (N, C) predictions show it.")
    predictions = as_class_indices("predictions", predictions, num_classes, "Is `num_classes` right?")
    cause = "Is `num_classes` right? Samples without a label must be left out."
    target = as_class_indices("target", target, num_classes, cause)
    return ClassTally(
        support=torch.bincount(target, minlength=num_classes),
        correct=torch.bincount(target[predictions == target], minlength=num_classes),
        predicted=torch.bincount(predictions, minlength=num_classes),
    )


def _what_to_pass(shape: tuple[int, ...], target: Tensor) -> str:
    """What to do with predictions of `shape` and a target that does not fit, to end an error about their shapes."""
    if len(shape) == 2 and target.shape == shape:
        return " Is `target` one-hot? Pass `target.argmax(1)`."
    if len(shape) > 2 and target.shape == (shape[0], *shape[2:]):
        return " Flatten the positions: `predictions.movedim(1, -1).flatten(0, -2)` and `target.flatten()`."
    if target.dim() > 1 and target.shape == shape:
        return " Flatten the positions: `predictions.flatten()` and `target.flatten()`."
    if target.dim() == 0 and len(shape) < 2:
        return " For one sample, pass `predictions[None]` and `target[None]`."
    return ""


def scores_of(tally: ClassTally, class_counts: Tensor | None = None, bounds: GroupBounds = USUAL) -> LongTailScores:
    """The scores of a tally; `class_counts` are those of the training set."""
    precise = torch.float32 if tally.support.device.type == "mps" else torch.float64  # which MPS does not have
    support, correct, predicted = (count.to(precise) for count in tally)
    present = support > 0
    recall = correct / support
    f1 = 2 * correct / (support + predicted)
    groups = groups_of(class_counts, present, bounds)
    return LongTailScores(
        top1=correct.sum() / support.sum(),
        balanced_accuracy=recall[present].mean(),
        **{name: recall[list(groups.get(name, ()))].mean() for name in ("many", "medium", "few")},
        macro_f1=f1[present].mean(),
        recall=recall,
        support=tally.support,
        predicted=tally.predicted,
        absent=indices_of(~present),
        groups=groups,
    )


def top1_accuracy(predictions: Labels, target: Labels, num_classes: int | None = None) -> Tensor:
    """Fraction of samples predicted correctly, a scalar in [0, 1]; arguments as in `long_tail_scores`.

    Example:
        >>> top1_accuracy([0, 0, 1], [0, 1, 1], num_classes=2)
        tensor(0.6667, dtype=torch.float64)
    """
    return long_tail_scores(predictions, target, num_classes).top1


def per_class_recall(predictions: Labels, target: Labels, num_classes: int | None = None) -> Tensor:
    """Recall of each class, (C,), NaN for a class without a test sample; arguments as in `long_tail_scores`.

    Example:
        >>> per_class_recall([0, 0, 1], [0, 1, 1], num_classes=2)
        tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    return long_tail_scores(predictions, target, num_classes).recall


def balanced_accuracy(predictions: Labels, target: Labels, num_classes: int | None = None) -> Tensor:
    """Mean recall of the classes that have test samples, a scalar; arguments as in `long_tail_scores`.

    Example:
        >>> balanced_accuracy([0, 0, 1], [0, 1, 1], num_classes=2)
        tensor(0.7500, dtype=torch.float64)
    """
    return long_tail_scores(predictions, target, num_classes).balanced_accuracy


def macro_f1(
    predictions: Labels, target: Labels, num_classes: int | None = None, *, predicted_absent: str = "left out"
) -> Tensor:
    """Mean F1 of the classes that have test samples, a scalar; arguments as in `long_tail_scores`.

    Args:
        predictions: as in `long_tail_scores`.
        target: as in `long_tail_scores`.
        num_classes: as in `long_tail_scores`.
        predicted_absent: a class that is predicted but has no test sample is "left out", or counts as an F1 of "zero",
            as in scikit-learn and torchmetrics.

    Example:
        >>> macro_f1([0, 0, 1, 2], [0, 1, 1, 1], num_classes=4)
        tensor(0.5833, dtype=torch.float64)
        >>> macro_f1([0, 0, 1, 2], [0, 1, 1, 1], num_classes=4, predicted_absent="zero")
        tensor(0.3889, dtype=torch.float64)
    """
    check_choice("predicted_absent", predicted_absent, ("left out", "zero"))
    scores = long_tail_scores(predictions, target, num_classes)
    if predicted_absent == "left out":
        return scores.macro_f1
    present = scores.support > 0
    return scores.macro_f1 * present.sum() / (present | (scores.predicted > 0)).sum()


def predictions_per_class(predictions: Labels, num_classes: int) -> Tensor:
    """How often each class was predicted, (C,) int64; `predictions` as in `long_tail_scores`.

    Example:
        >>> predictions_per_class([0, 0, 1], num_classes=3)
        tensor([2, 1, 0])
    """
    refuse_class_counts(num_classes)
    check_integer("num_classes", num_classes, minimum=1)
    labels = as_tensor("predictions", predictions)
    if labels.dim() not in (1, 2):
        raise ValueError(f"`predictions` must have the shape (N,) or (N, C). Got {tuple(labels.shape)}.")
    labels = _argmax(labels, num_classes) if labels.dim() == 2 else labels
    labels = as_class_indices("predictions", labels, num_classes, "Is `num_classes` right?")
    return torch.bincount(labels, minlength=num_classes)


def groups_of(class_counts: Tensor | None, present: Tensor, bounds: GroupBounds) -> dict[str, tuple[int, ...]]:
    """The classes of many, medium and few that have test samples; empty without class counts."""
    bounds.check()
    if class_counts is None:
        return {}
    if class_counts.numel() != present.numel():
        raise ValueError(f"`class_counts` must hold {present.numel()} classes. Got {class_counts.numel()}.")
    members, seen = bounds.members(class_counts.cpu()), present.cpu()
    return {name: indices_of(own & seen) for name, own in members.items()}


def indices_of(mask: Tensor) -> tuple[int, ...]:
    """The classes for which a mask (C,) is true."""
    return tuple(mask.nonzero().flatten().tolist())


def as_tensor(name: str, values: Labels) -> Tensor:
    """Labels or scores (a tensor, an array or a list) as a tensor; an empty list gives integers."""
    if isinstance(values, Tensor):
        return values.detach()
    tensor = from_numpy(name, values)
    return tensor.long() if not tensor.numel() and tensor.dim() == 1 else tensor


def _argmax(scores: Tensor, num_classes: int) -> Tensor:
    if scores.shape[1] != num_classes:
        raise ValueError(
            f"`predictions` must have {num_classes} columns. Got {scores.shape[1]}."
            + column_hint("predictions", scores)
        )
    if scores.is_complex():
        raise TypeError(f"`predictions` must hold real scores. Got {scores.dtype}.")
    if not scores.is_floating_point():
        scores = scores.long()
    largest, predicted = scores.max(1)  # a NaN is the largest number of its row: no boolean for each score
    if largest.isnan().any():
        row = int(largest.isnan().nonzero()[0])
        raise ValueError(f"`predictions` must not hold NaN. Got one in row {row}.")
    return predicted
