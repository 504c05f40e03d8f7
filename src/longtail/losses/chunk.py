"""Cross-entropy of the logits of a chunk of rows, and its gradient, which overwrites the logits.

It is computed by the compiled kernel, or by operations of PyTorch in place. Neither holds another array of the size of
the chunk, except a float32 copy of logits of a lower precision. With label smoothing the kernel would need a second
array, since it reads the logits again after it has written exponentials.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from longtail.losses.fused import Settings, kernel_losses
from longtail.losses.margins import Margins


class Constants(NamedTuple):
    """What the loss needs besides logits and target; vectors are (C,), in the precision of the loss.

    Attributes:
        margins: of the logits.
        weight: class weights.
        settings: those of cross-entropy, without a reduction.
    """

    margins: Margins
    weight: Tensor | None
    settings: Settings


class ChunkLosses(NamedTuple):
    """The losses of a chunk of n rows, and their gradient.

    Attributes:
        losses: (n,) weighted and smoothed; 0 where the target is ignored.
        own_losses: (n,) −log p̃ of the target, neither weighted nor smoothed; 0 where the target is ignored.
        gradient: (n, C) of the sum of the losses, each times its upstream gradient, in the precision of the logits.
    """

    losses: Tensor
    own_losses: Tensor
    gradient: Tensor | None


def losses_by_kernel(
    logits: Tensor, target: Tensor, constants: Constants, upstream: Tensor | None, *, differentiate: bool
) -> ChunkLosses:
    """Losses by the compiled kernel, without label smoothing; their gradient, if asked for, overwrites the logits."""
    gradient = logits if differentiate else None
    losses, own_losses = kernel_losses(
        logits, target, constants.margins, constants.weight, constants.settings, upstream=upstream, gradient=gradient
    )
    return ChunkLosses(losses, own_losses, gradient)


def losses_in_place(
    logits: Tensor, target: Tensor, constants: Constants, upstream: Tensor | None, *, differentiate: bool
) -> ChunkLosses:
    """Losses by operations of PyTorch, which may overwrite the logits, and their gradient if asked for."""
    margins, weight, settings = constants
    ignored = target == settings.ignore_index
    index = target.masked_fill(ignored, 0)
    z = _adjusted(logits.to(torch.promote_types(logits.dtype, torch.float32)), index, margins)
    z.sub_(z.amax(1, keepdim=True))
    value = z.gather(1, index[:, None]).squeeze(1)
    smoothed = _smoothing_weight(weight, settings.label_smoothing, z)
    smoothed_logit = None if smoothed is None else z @ smoothed
    total = z.exp_().sum(1)
    log_total = total.log()
    own_losses = log_total - value
    target_weight = _target_weight(weight, settings.label_smoothing, index, value)
    total_weight, losses = target_weight, target_weight * own_losses
    if smoothed is not None and smoothed_logit is not None:
        total_weight = total_weight + smoothed.sum()
        losses = losses + (log_total * smoothed.sum() - smoothed_logit)
    losses.masked_fill_(ignored, 0)
    own_losses.masked_fill_(ignored, 0)
    if not differentiate:
        return ChunkLosses(losses, own_losses, None)
    if upstream is not None:
        total_weight, target_weight = total_weight * upstream, target_weight * upstream
    z.mul_((total_weight / total)[:, None]).scatter_add_(1, index[:, None], -target_weight[:, None])
    if smoothed is not None:
        z.addr_(torch.ones_like(value) if upstream is None else upstream, smoothed, alpha=-1)
    if margins.factor is not None:
        z.mul_(margins.factor)
    if ignored.device.type != "cpu" or ignored.any():  # `any` would synchronise another device
        z.masked_fill_(ignored[:, None], 0)
    return ChunkLosses(losses, own_losses, z.to(logits.dtype))


def _adjusted(z: Tensor, index: Tensor, margins: Margins) -> Tensor:
    if margins.factor is not None:
        z.mul_(margins.factor)
    if margins.shift is not None:
        z.add_(margins.shift)
    if margins.own is not None:
        z.scatter_add_(1, index[:, None], margins.own[index][:, None])
    return z


def _target_weight(weight: Tensor | None, smoothing: float, index: Tensor, like: Tensor) -> Tensor:
    """(n,) weight of the loss of the target."""
    return torch.full_like(like, 1 - smoothing) if weight is None else (1 - smoothing) * weight[index]


def _smoothing_weight(weight: Tensor | None, smoothing: float, z: Tensor) -> Tensor | None:
    """(C,) weight of the loss of each class under label smoothing."""
    if smoothing == 0:
        return None
    share = smoothing / z.shape[1]
    return z.new_full((z.shape[1],), share) if weight is None else share * weight
