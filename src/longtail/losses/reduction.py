"""Sums and means of losses as `F.cross_entropy` forms them, also over nothing: its value and its gradients."""

import torch
from torch import Tensor

from longtail.arguments import as_class_indices
from longtail.losses.inputs import class_dimension


def sample_weights(target: Tensor, weight: Tensor | None, ignore_index: int, dtype: torch.dtype) -> Tensor:
    """The weight of each sample of index targets: that of its class, or 0 where the target is ignored."""
    ignored = target == ignore_index
    if weight is None:
        return (~ignored).to(dtype)
    return weight.to(dtype)[target.masked_fill(ignored, 0)].masked_fill(ignored, 0)


def reduced(losses: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    """Losses of index targets, already weighted, reduced.

    Ignored samples give 0 whatever their logits are, and get no gradient. The mean over ignored samples alone is NaN,
    its gradient 0: multiplied by 0 instead of masked, the gradient would be NaN too.
    """
    losses = losses.masked_fill(target == ignore_index, 0)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.sum() / sample_weights(target, weight, ignore_index, losses.dtype).sum()


def divisor_of_mean(target: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
    """What the mean of `F.cross_entropy` divides a sum of losses by: a scalar, float32.

    With index targets the weights of the samples that are not ignored, with probabilities the number of samples.
    """
    if target.is_floating_point():
        number = target.numel() // target.shape[class_dimension(target)]
        return torch.full((), number, dtype=torch.float32, device=target.device)
    return sample_weights(as_class_indices("target", target), weight, ignore_index, torch.float32).sum()


def mean_or_one(weights: Tensor) -> Tensor:
    """The mean weight of samples whose targets are probabilities, to divide their mean loss by; 1 if it is 0.

    With such targets the mean loss of `F.cross_entropy` is then 0, and not NaN as it is with indices.
    """
    mean = weights.mean()
    return torch.where(mean == 0, 1, mean)
