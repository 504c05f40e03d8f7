"""The regulariser of LADE: a scalar of a batch, with its gradient in closed form.

    R = −Σ_c π_c (mean of z_c over the samples of class c − S_c − λ S_c²)
    ∂R/∂z_ic = −π_c (t_ic / Σ_i t_ic − (1 + 2λ S_c) softmax_i(z_c)_i),   S_c = log mean_i exp(z_c(x_i)) − log(π_c C)

Differentiated by autograd it takes five times as long.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longtail.losses.fused import is_eager
from longtail.losses.inputs import class_dimension

LEFT_OUT = -1e9  # vanishes in a sum of exponentials, and its square is still finite
SMALLEST_MASS = 1e-8  # of a class that has no sample: its mean is 0


def density_ratio_regulariser(
    logits: Tensor, target: Tensor, log_prior: Tensor, lam: float, ignore_index: int = -100, strength: float = 1.0
) -> Tensor:
    """`strength` times R of a batch: a scalar; 0 where every sample is ignored. Logits of −∞ take no part."""
    dim, dtype = class_dimension(logits), torch.promote_types(logits.dtype, torch.float32)
    num_classes = log_prior.numel()
    rows = logits.movedim(dim, -1).reshape(-1, num_classes).to(dtype)
    log_prior, target = log_prior.to(dtype), target.detach()
    if target.is_floating_point():
        target = target.movedim(dim, -1).reshape(-1, num_classes).to(dtype)
    else:
        target = target.flatten()
    if rows.numel() and rows.device.type == "cpu" and is_eager(rows, target):
        value: Tensor = _Regulariser.apply(rows, target, log_prior, lam, ignore_index, strength)
        if value.isfinite():
            return value
    return _regulariser(rows, target, log_prior, lam, ignore_index) * strength


class _Own(NamedTuple):
    """What the samples of a class contribute.

    Attributes:
        mean: (C,) of z_c.
        mass: (C,) samples, at least the smallest mass.
        belongs: (N,) or (N, C), the part of each sample in its class.
    """

    mean: Tensor
    mass: Tensor
    belongs: Tensor


class _Regulariser(torch.autograd.Function):
    """In closed form; not finite if all of a column is ignored or −∞, or a sample has −∞ at its own class."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, target: Tensor, log_prior: Tensor, lam: float, ignore_index: int, strength: float
    ) -> Tensor:
        own, kept, samples = _kept(rows, target, ignore_index)
        largest = kept.amax(0)
        exponentials = (kept - largest).mul_(math.log2(math.e)).exp2_()  # exp_ takes three times as long as exp2_
        sums = exponentials.sum(0)
        ratio = sums.log().add_(largest).sub_(log_prior + math.log(rows.shape[1] * max(samples, 1)))
        weights = log_prior.exp().mul_(strength)
        value = (ratio - own.mean).addcmul_(ratio, ratio, value=lam).mul_(weights).sum()
        if rows.requires_grad:
            pushes = torch.addcmul(weights, weights, ratio, value=2 * lam).div_(sums)
            gradient = exponentials.mul_(pushes)
            _pull(gradient, target, own, weights)
            ctx.save_for_backward(rows, target, log_prior, gradient)
        ctx.settings = lam, ignore_index, strength
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        rows, target, log_prior, gradient = ctx.saved_tensors
        nothing = (None,) * 5
        if not torch.is_grad_enabled():
            return (gradient if upstream.item() == 1 else gradient * upstream, *nothing)
        lam, ignore_index, strength = ctx.settings
        value = _regulariser(rows, target, log_prior, lam, ignore_index) * strength
        return (torch.autograd.grad(value, rows, upstream, create_graph=True)[0], *nothing)


def _kept(rows: Tensor, target: Tensor, ignore_index: int) -> tuple[_Own, Tensor, int]:
    """Contributions to the classes, the rows with −∞ for those that are ignored, and how many are not."""
    if target.is_floating_point():
        mass = target.sum(0).clamp_min_(SMALLEST_MASS)
        return _Own((target * rows).sum(0).div_(mass), mass, target), rows, len(rows)
    ignored = target == ignore_index
    index = target.clamp(0, rows.shape[1] - 1)
    values = rows.gather(1, index[:, None])[:, 0]
    number = int(ignored.sum())
    belongs = (~ignored).to(rows.dtype)
    if number:
        rows, values = rows.masked_fill(ignored[:, None], -torch.inf), values.masked_fill(ignored, 0)
    mass = rows.new_zeros(rows.shape[1]).index_add_(0, index, belongs).clamp_min_(SMALLEST_MASS)
    mean = rows.new_zeros(rows.shape[1]).index_add_(0, index, values).div_(mass)
    return _Own(mean, mass, belongs), rows, len(rows) - number


def _pull(gradient: Tensor, target: Tensor, own: _Own, weights: Tensor) -> None:
    """Subtract the gradient of the means, in place."""
    share = weights / own.mass
    if target.is_floating_point():
        gradient.addcmul_(own.belongs, share, value=-1)
        return
    index = target.clamp(0, gradient.shape[1] - 1)
    gradient.scatter_add_(1, index[:, None], share[index].mul_(own.belongs).neg_()[:, None])


def _regulariser(rows: Tensor, target: Tensor, log_prior: Tensor, lam: float, ignore_index: int) -> Tensor:
    """By operations of PyTorch, for autograd, transforms and compilers."""
    soft = target.is_floating_point()
    kept = torch.ones(len(rows), dtype=torch.bool, device=rows.device) if soft else target != ignore_index
    present = kept[:, None] & (rows != -torch.inf)
    count = kept.sum().clamp_min(1)
    sums, mass = _sums_of_classes(rows, target, present) if soft else _sums_of_indices(rows, target, kept)
    first = sums / mass.clamp_min(SMALLEST_MASS)
    # Not `masked_fill(~present, …)`: a graph would keep that mask (N, C) for the backward pass, and read it slowly.
    total = torch.where(kept[:, None], rows, LEFT_OUT).clamp_min(LEFT_OUT).logsumexp(0)
    second = total - log_prior - math.log(rows.shape[1]) - count.to(rows.dtype).log()
    terms = log_prior.exp() * (first - second - lam * second.square())
    return -torch.where(present.any(0), terms, 0).sum()


def _sums_of_classes(rows: Tensor, target: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of z_c over what belongs to class c, (C,), and how much that is."""
    belongs = target * present
    return (belongs * rows.masked_fill(~present, 0)).sum(0), belongs.sum(0)


def _sums_of_indices(rows: Tensor, target: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The same for class indices: in a graph, N numbers in the place of (N, C)."""
    index = target.clamp(0, rows.shape[1] - 1)
    values = rows.gather(1, index[:, None])[:, 0]
    present = kept & (values != -torch.inf)
    nothing = rows.new_zeros(rows.shape[1])
    return (
        nothing.index_add(0, index, values.masked_fill(~present, 0)),
        nothing.index_add(0, index, present.to(rows.dtype)),
    )
