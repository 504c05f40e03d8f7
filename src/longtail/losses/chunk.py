"""Cross-entropy of the logits of a chunk of rows, and its gradient, which takes the place of the logits.

By the compiled kernel or by operations of PyTorch in place: no other array of the size of the chunk is held, but
float32 logits beside those of a lower precision. With label smoothing the kernel would need one, since it reads the
logits once more after it has written exponentials.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from longtail.losses.fused import Settings, kernel_losses
from longtail.losses.margins import Margins


class Constants(NamedTuple):
    """What the loss of a chunk needs besides logits and target, (C,) each, in the precision of the loss.

    Attributes:
        margins: of the logits.
        weight: class weights.
        settings: those of cross-entropy, without a reduction.
    """

    margins: Margins
    weight: Tensor | None
    settings: Settings


class ChunkLosses(NamedTuple):
    """Of a chunk of n rows.

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
    """Losses by the compiled kernel, without label smoothing, and their gradient in the place of the logits."""
    gradient = logits if differentiate else None
    losses, own_losses = kernel_losses(
        logits, target, constants.margins, constants.weight, constants.settings, upstream=upstream, gradient=gradient
    )
    return ChunkLosses(losses, own_losses, gradient)


def losses_in_place(
    logits: Tensor, target: Tensor, constants: Constants, upstream: Tensor | None, *, differentiate: bool
) -> ChunkLosses:
    """Losses by operations of PyTorch, which overwrite the logits; with their gradient if it is asked for."""
    margins, weight, settings = constants
    ignored = target == settings.ignore_index
    index = target.masked_fill(ignored, 0)
    z = _adjusted(logits.to(torch.promote_types(logits.dtype, torch.float32)), index, margins)
    z.sub_(z.amax(1, keepdim=True))
    value = z.gather(1, index[:, None]).squeeze(1)
    each = _spread_weight(weight, settings.label_smoothing, z)
    spread = None if each is None else z @ each
    total = z.exp_().sum(1)
    log_total = total.log()
    own_losses = log_total - value
    mass = _target_weight(weight, settings.label_smoothing, index, value)
    losses = mass * own_losses
    pull = mass
    if each is not None and spread is not None:
        losses, mass = losses + (log_total * each.sum() - spread), mass + each.sum()
    losses.masked_fill_(ignored, 0)
    own_losses.masked_fill_(ignored, 0)
    if not differentiate:
        return ChunkLosses(losses, own_losses, None)
    if upstream is not None:
        mass, pull = mass * upstream, pull * upstream
    z.mul_((mass / total)[:, None]).scatter_add_(1, index[:, None], -pull[:, None])
    if each is not None:
        z.addr_(torch.ones_like(value) if upstream is None else upstream, each, alpha=-1)
    if margins.factor is not None:
        z.mul_(margins.factor)
    if ignored.device.type != "cpu" or ignored.any():  # no other device is waited for
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
    """(n,) what the loss of the target counts."""
    return torch.full_like(like, 1 - smoothing) if weight is None else (1 - smoothing) * weight[index]


def _spread_weight(weight: Tensor | None, smoothing: float, z: Tensor) -> Tensor | None:
    """(C,) what the loss of every class counts under label smoothing."""
    if smoothing == 0:
        return None
    share = smoothing / z.shape[1]
    return z.new_full((z.shape[1],), share) if weight is None else share * weight
