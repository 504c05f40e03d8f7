"""Cross-entropy from log-probabilities, so that a loss which needs both pays for one softmax."""

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.losses.inputs import along_classes, class_dimension
from longtail.losses.reduction import reduced


def cross_entropy_from_log_probs(
    log_probs: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """What `F.cross_entropy` gives for logits whose log-softmax is `log_probs`, with the same arguments.

    Args:
        log_probs: (N, C), (N, C, d1, …) or (C,), each distribution normalised.
        target: class indices, int64, or probabilities.
        weight: (C,) class weights.
        ignore_index: index targets of this value count for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: in [0, 1].

    Returns:
        A scalar, or the shape of the logits without C.
    """
    if weight is not None:
        weight = weight.to(log_probs.dtype)
    if target.is_floating_point():
        return _soft_cross_entropy(log_probs, target, weight, reduction, label_smoothing)
    nll = F.nll_loss(log_probs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0:
        return nll
    spread = reduced(sum_over_classes(log_probs, weight), target, weight, ignore_index, reduction)
    return (1 - label_smoothing) * nll + label_smoothing / log_probs.shape[class_dimension(log_probs)] * spread


def _soft_cross_entropy(
    log_probs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / log_probs.shape[class_dimension(log_probs)]
    losses = sum_over_classes(log_probs * target, weight)
    if reduction == "mean":
        return losses.sum() / losses.numel()
    return losses.sum() if reduction == "sum" else losses


def sum_over_classes(log_probs: Tensor, weight: Tensor | None) -> Tensor:
    """Σ_j −w_j log p_j of each sample."""
    if weight is not None:
        log_probs = log_probs * along_classes(weight, log_probs)
    return -log_probs.sum(class_dimension(log_probs))


def weight_for(logits: Tensor, weight: Tensor) -> Tensor:
    """Class weights in the precision in which `F.cross_entropy` takes them with these logits."""
    autocast = torch.is_autocast_enabled(logits.device.type)
    return weight.to(torch.promote_types(logits.dtype, torch.float32) if autocast else logits.dtype)
