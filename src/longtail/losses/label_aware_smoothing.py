"""Label-aware smoothing (Zhong et al., "Improving Calibration for Long-Tailed Recognition", CVPR 2021: MiSLAS).

    L = (1 − e_k) (−log p_k) + e_k / C Σ_j −log p_j,   p = softmax(z)

where e_j rises from the rarest class (`tail`) to the most frequent (`head`), whose predictions are most over-confident.
With r_j = (n_j − n_min) / (n_max − n_min) the ramp is sin(π r / 2) ("concave", the default), r ("linear") or
1 − cos(π r / 2) ("convex"). Equal counts are all in the middle, r = ½.
"""

import math
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import check_choice, check_fraction
from longtail.class_vectors import as_class_counts
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.cross_entropy import cross_entropy_from_log_probs, sum_over_classes
from longtail.losses.inputs import along_classes, check_arguments, checked_target, class_dimension
from longtail.losses.reduction import reduced
from longtail.losses.shifts import ClassCounts

RAMPS = ("concave", "linear", "convex")


def label_aware_smoothing_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    head: float = 0.4,
    tail: float = 0.1,
    ramp: str = "concave",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Label-aware smoothing: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities t of the shape of the logits, smoothed by Σ_k t_k e_k.
        class_counts: (C,) training samples of each class, ≥ 0.
        head: smoothing of the most frequent class, in [0, 1].
        tail: smoothing of the rarest, in [0, 1]. With both 0 it is cross-entropy.
        ramp: "concave", "linear" or "convex".
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1], on top, the same for all classes.

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype, count or setting outside what is written above.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
        >>> label_aware_smoothing_loss(logits, torch.tensor([0, 0]), [100, 1], head=0.4, tail=0.0)
        tensor([0.5269, 0.5269])

    Source: the paper's label-aware smoothing; the defaults are its code's for CIFAR100-LT at imbalance 100.
    """
    smoothing = _smoothing(class_counts, head, tail, ramp)
    check_arguments(smoothing.numel(), weight, ignore_index, label_smoothing)
    target = checked_target(logits, target, smoothing.numel(), ignore_index)
    dtype = torch.promote_types(logits.dtype, torch.float32)
    log_probs = F.log_softmax(logits, class_dimension(logits), dtype=dtype)
    return _combine(log_probs, target, smoothing.to(logits.device), weight, ignore_index, "none", label_smoothing)


class LabelAwareSmoothingLoss(LongTailedLoss):
    """Label-aware smoothing as a drop-in for `nn.CrossEntropyLoss` that knows the class counts.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        head: smoothing of the most frequent class, in [0, 1].
        tail: smoothing of the rarest, in [0, 1]. With both 0 it is cross-entropy.
        ramp: "concave", "linear" or "convex".
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`. `label_smoothing` comes on top, the same for all classes.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> LabelAwareSmoothingLoss([100, 1], head=0.4, tail=0.0)(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
        tensor(0.5269)

    Source: Zhong et al., CVPR 2021.
    """

    smoothing: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        head: float = 0.4,
        tail: float = 0.1,
        ramp: str = "concave",
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        smoothing = _smoothing(class_counts, head, tail, ramp)
        super().__init__(smoothing.numel(), weight, **arguments)
        self.head = head
        self.tail = tail
        self.ramp = ramp
        self.register_buffer("smoothing", smoothing)

    @property
    def combines(self) -> bool:
        """Whether labels are smoothed."""
        return self.head > 0 or self.tail > 0

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """The logits as they are."""
        return logits

    def combine(self, log_probs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy with a target smoothed by its own class's share."""
        return _combine(
            log_probs, target, self.smoothing, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, head={self.head}, tail={self.tail}, ramp={self.ramp!r}"


def _smoothing(class_counts: ClassCounts, head: float, tail: float, ramp: str) -> Tensor:
    """e, (C,) float64."""
    check_fraction("head", head)
    check_fraction("tail", tail)
    check_choice("ramp", ramp, RAMPS)
    counts = as_class_counts(class_counts)
    width = counts.max() - counts.min()
    rank = (counts - counts.min()) / width if width else torch.full_like(counts, 0.5)
    if ramp == "concave":
        rank = torch.sin(math.pi / 2 * rank)
    elif ramp == "convex":
        rank = 1 - torch.cos(math.pi / 2 * rank)
    return tail + (head - tail) * rank


def _combine(
    log_probs: Tensor,
    target: Tensor,
    smoothing: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    dim, smoothing = class_dimension(log_probs), smoothing.to(log_probs.dtype)
    if target.is_floating_point():
        share = (target * along_classes(smoothing, target)).sum(dim)
    else:
        share = smoothing[target.clamp(0, smoothing.numel() - 1)]
    sharp = log_probs * along_classes(1 - smoothing, log_probs)
    own = cross_entropy_from_log_probs(sharp, target, weight, ignore_index, "none")
    flat = sum_over_classes(log_probs, None if weight is None else weight.to(log_probs.dtype)) / log_probs.shape[dim]
    spread = (1 - label_smoothing) * share + label_smoothing
    # Without smoothing a class whose probability is 0 must not count: 0 times its infinite loss is NaN.
    losses = (1 - label_smoothing) * own + (spread * flat).masked_fill(spread == 0, 0)
    if target.is_floating_point():
        return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()
    return reduced(losses, target, weight, ignore_index, reduction)
