"""Re-balancing of labelled data in parts: class counts, then mean predictions, of each part and merged."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.fixed_point import offsets_of_means
from longtail.posthoc.inputs import as_labels, as_logits
from longtail.posthoc.mean_predictions import MeanPredictions, mean_predictions
from longtail.posthoc.parts import OverParts, check_same_classes, merged_over


@dataclass(frozen=True)
class ClassCounts:
    """The samples of each class, (C,) int64."""

    counts: Tensor

    def merge(self, other: "ClassCounts") -> "ClassCounts":
        """The samples of both parts.

        Raises:
            ValueError: another number of classes.
        """
        check_same_classes(len(self.counts), len(other.counts))
        return ClassCounts(self.counts + other.counts)


def counts_over(over_parts: OverParts) -> Tensor:
    """The samples of each class, (C,), in one pass."""
    return merged_over(over_parts, _counts_of_part, ClassCounts).counts


def offset_over(over_parts: OverParts, class_weight: Tensor, prior: Tensor, *, converge: bool) -> Tensor:
    """The offset of re-balancing, (C,) float64: one pass, or with `converge` one for each step to the fixed point.

    Args:
        over_parts: calls a function with the logits (N, C) and labels (N,) of each part, and merges the results.
        class_weight: (C,) float64 weight of a sample of each class; they sum to 1 over all samples.
        prior: (C,) float64.
        converge: go on to the fixed point.
    """

    def means(offset: Tensor, _: Tensor | None = None) -> MeanPredictions:
        statistic = partial(_means_of_part, class_weight=class_weight, offset=offset)
        return merged_over(over_parts, statistic, MeanPredictions)

    if converge:
        return offsets_of_means(means, prior[None])[0]
    return prior.log() - means(torch.zeros_like(prior)[None]).log_mean[0]


def _counts_of_part(logits: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int]) -> ClassCounts:
    checked, labels = _part(logits, target)
    return ClassCounts(torch.bincount(labels, minlength=checked.shape[1]))


def _means_of_part(
    logits: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int], *, class_weight: Tensor, offset: Tensor
) -> MeanPredictions:
    checked, labels = _part(logits, target, num_classes=len(class_weight))
    expected = class_weight[labels] > 0
    if not expected.all():
        checked, labels = checked[expected], labels[expected]

    def blocks() -> Iterator[tuple[Tensor, Tensor]]:
        for part in row_blocks(*checked.shape):
            yield checked[part].to("cpu", torch.float64), class_weight[labels[part], None]

    return mean_predictions(blocks, offset)


def _part(
    logits: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int], num_classes: int | None = None
) -> tuple[Tensor, Tensor]:
    """Checked logits and labels of a part, which may be empty."""
    checked = as_logits(logits, num_classes)
    if checked.dim() != 2:
        raise ValueError(f"`logits` must have the shape (N, C). Got {tuple(checked.shape)}.")
    if not len(checked) and not len(target):
        return checked, torch.zeros(0, dtype=torch.int64)
    return checked, as_labels(target, *checked.shape)
