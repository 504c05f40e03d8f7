"""The regulariser of LADE: a scalar of a batch, with its gradient in closed form.

    R = −Σ_c π_c (mean of z_c over the samples of class c − S_c − λ S_c²)
    ∂R/∂z_ic = −π_c (t_ic / Σ_i t_ic − (1 + 2λ S_c) softmax_i(z_c)_i),   S_c = log mean_i exp(z_c(x_i)) − log(π_c C)

By operations that autograd follows it took five times as long.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longtail.losses.fused import is_eager
from longtail.losses.inputs import class_dimension

LEFT_OUT = -1e9  # a row of it has no part in a sum of exponentials, and its square is still finite
SMALLEST_MASS = 1e-8  # of a class, to divide by


def density_ratio_regulariser(
    logits: Tensor, target: Tensor, log_prior: Tensor, lam: float, ignore_index: int = -100
) -> Tensor:
    """R of a batch: a scalar; 0 where every sample is ignored. Logits of −∞ take no part."""
    dim, dtype = class_dimension(logits), torch.promote_types(logits.dtype, torch.float32)
    num_classes = log_prior.numel()
    rows = logits.movedim(dim, -1).reshape(-1, num_classes).to(dtype)
    log_prior, target = log_prior.to(dtype), target.detach()
    if target.is_floating_point():
        target = target.movedim(dim, -1).reshape(-1, num_classes).to(dtype)
    else:
        target = target.flatten()
    if not rows.numel() or not is_eager(rows, target):
        return _regulariser(rows, target, log_prior, lam, ignore_index)
    value: Tensor = _Regulariser.apply(rows, target, log_prior, lam, ignore_index)
    return value


class _Means(NamedTuple):
    """(C,): the mean of z_c over the samples of class c, and what its gradient at each of them is."""

    value: Tensor
    share: Tensor


class _Regulariser(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, target: Tensor, log_prior: Tensor, lam: float, ignore_index: int) -> Tensor:
        kept = rows
        samples = rows.new_full((), len(rows))
        if not target.is_floating_point():
            ignored = target == ignore_index
            samples = samples - ignored.sum()
            if rows.device.type != "cpu" or ignored.any():  # elsewhere to ask would wait for the device
                kept = rows.masked_fill(ignored[:, None], -torch.inf)
        largest = kept.amax(0)
        present = largest != -torch.inf
        largest.masked_fill_(largest.isinf(), 0)
        exponentials = (kept - largest).mul_(math.log2(math.e)).exp2_()  # exp_ takes three times as long as exp2_
        sums = exponentials.sum(0)
        ratio = sums.log() + largest - log_prior - math.log(rows.shape[1]) - samples.clamp_min(1).log()
        belongs, first = _own_means(kept, target)
        prior = log_prior.exp()
        value = -torch.where(present, prior * (first.value - ratio - lam * ratio.square()), 0).sum()
        if rows.requires_grad:
            pushes = torch.where(present, prior * (1 + 2 * lam * ratio) / sums, 0)
            gradient = exponentials.mul_(pushes)
            _add_own(gradient, target, belongs, -prior * first.share)
            ctx.save_for_backward(rows, target, log_prior, gradient)
        ctx.settings = lam, ignore_index
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        rows, target, log_prior, gradient = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return (gradient * upstream, None, None, None, None)
        value = _regulariser(rows, target, log_prior, *ctx.settings)
        return (torch.autograd.grad(value, rows, upstream, create_graph=True)[0], None, None, None, None)


def _own_means(rows: Tensor, target: Tensor) -> tuple[Tensor, _Means]:
    """The part of each sample in its class, (N,) or (N, C), and the means; a row of −∞ is ignored."""
    if target.is_floating_point():
        present = rows != -torch.inf
        belongs = target * present
        mass, total = belongs.sum(0), (belongs * rows.masked_fill(~present, 0)).sum(0)
    else:
        index = target.clamp(0, rows.shape[1] - 1)
        own = rows.gather(1, index[:, None])[:, 0]
        belongs = (own != -torch.inf).to(rows.dtype)
        none = rows.new_zeros(rows.shape[1])
        mass = none.index_add(0, index, belongs)
        total = none.index_add(0, index, own.masked_fill(own == -torch.inf, 0))
    mass = mass.clamp_min(SMALLEST_MASS)
    return belongs, _Means(total / mass, 1 / mass)


def _add_own(gradient: Tensor, target: Tensor, belongs: Tensor, share: Tensor) -> None:
    """Add the gradient of the means, in place."""
    if target.is_floating_point():
        gradient.addcmul_(belongs, share)
        return
    index = target.clamp(0, gradient.shape[1] - 1)
    gradient.scatter_add_(1, index[:, None], (belongs * share[index])[:, None])


def _regulariser(rows: Tensor, target: Tensor, log_prior: Tensor, lam: float, ignore_index: int) -> Tensor:
    """By operations that autograd, transforms and compilers follow."""
    if target.is_floating_point():
        belongs = target
        kept = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    else:
        kept = target != ignore_index
        belongs = torch.zeros_like(rows).scatter_(1, target.clamp(0, rows.shape[1] - 1)[:, None], 1.0)
    present = kept[:, None] & (rows != -torch.inf)
    belongs = belongs * present
    count = kept.sum().clamp_min(1)
    first = (belongs * rows.masked_fill(~present, 0)).sum(0) / belongs.sum(0).clamp_min(SMALLEST_MASS)
    total = rows.masked_fill(~present, LEFT_OUT).logsumexp(0)
    second = total - log_prior - math.log(rows.shape[1]) - count.to(rows.dtype).log()
    terms = log_prior.exp() * (first - second - lam * second.square())
    return -torch.where(present.any(0), terms, 0).sum()
