"""The terms of EQL v2 for class indices, with their gradient and what the classes receive in closed form.

    L_i = Σ_{j≠k} push_j log(1 + e^{z_j}) + pull_k log(1 + e^{−z_k})
    ∂L_i/∂z_j = push_j σ_j for j ≠ k,   ∂L_i/∂z_k = pull_k (σ_k − 1)

Differentiated by autograd it takes six times as long.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class ReceivedBySigmoids(NamedTuple):
    """(C,) the gradient that each class has received from its own samples, and from others."""

    positive: Tensor
    negative: Tensor


def sigmoid_terms(
    logits: Tensor, target: Tensor, pull: Tensor, push: Tensor, ignored: Tensor
) -> tuple[Tensor, ReceivedBySigmoids]:
    """The loss of each sample, and what the classes receive.

    Args:
        logits: (N, C), float32 or float64.
        target: (N,) class indices, those of ignored samples too in [0, C).
        pull: (C,) weight of the term of the target.
        push: (C,) weight of the other terms.
        ignored: (N,) samples that are left out of what the classes receive, as are those without a finite loss.

    Raises:
        IndexError: a class index outside [0, C); in a compiled graph it is a RuntimeError of the compiler.
    """
    if torch.compiler.is_compiling():
        return _of_a_graph(logits, target, pull, push, ignored)
    received: list[ReceivedBySigmoids] = []
    losses: Tensor = _SigmoidTerms.apply(logits, target, pull, push, ignored, received)
    return losses, received[0]


class _SigmoidTerms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        pull: Tensor,
        push: Tensor,
        ignored: Tensor,
        received: list[ReceivedBySigmoids],
    ) -> Tensor:
        own = target[:, None]
        value, weight = _own_logits(logits, own), pull[own]
        costs = F.softplus(logits).scatter_(1, own, 0)
        losses = costs.mul_(push).sum(1) + (weight * F.softplus(-value))[:, 0]
        sigmoids = torch.sigmoid(logits).scatter_(1, own, 0)
        own_gradient = weight * torch.sigmoid(-value)
        received.append(_received(sigmoids, own_gradient[:, 0], target, push, losses.isfinite() & ~ignored))
        if logits.requires_grad:
            masked = value == -torch.inf  # the loss is infinite, but a masked logit gets no gradient
            gradient = sigmoids.mul_(push).scatter_(1, own, -own_gradient.masked_fill(masked, 0))
            ctx.save_for_backward(logits, target, pull, push, gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, pull, push, gradient = ctx.saved_tensors
        nothing = (None,) * 5
        if not torch.is_grad_enabled():
            return (gradient * upstream[:, None], *nothing)
        losses = _losses(logits, target, pull, push)
        return (torch.autograd.grad(losses, logits, upstream, create_graph=True)[0], *nothing)


def _of_a_graph(
    logits: Tensor, target: Tensor, pull: Tensor, push: Tensor, ignored: Tensor
) -> tuple[Tensor, ReceivedBySigmoids]:
    """The same by operations of PyTorch, whose gradient the compiler finds."""
    losses = _losses(logits, target, pull, push)
    with torch.no_grad():
        own = target[:, None]
        own_gradient = pull[target] * torch.sigmoid(-logits.gather(1, own)[:, 0])
        sigmoids = torch.sigmoid(logits).scatter(1, own, 0)
        return losses, _received(sigmoids, own_gradient, target, push, losses.isfinite() & ~ignored)


def _own_logits(logits: Tensor, own: Tensor) -> Tensor:
    try:
        value = logits.gather(1, own)
    except RuntimeError as error:
        raise IndexError(f"`target` must lie in [0, {logits.shape[1]}).") from error
    return value.masked_fill_(value == torch.inf, torch.nan)  # as in cross-entropy, so that divergence shows


def _received(sigmoids: Tensor, own: Tensor, target: Tensor, push: Tensor, entering: Tensor) -> ReceivedBySigmoids:
    # Asking `all` synchronises another device, and breaks a graph.
    if torch.compiler.is_compiling() or sigmoids.device.type != "cpu" or not entering.all():
        sigmoids = sigmoids.masked_fill(~entering[:, None], 0)
    positive = torch.zeros_like(push).index_add_(0, target, own.masked_fill(~entering, 0))
    return ReceivedBySigmoids(positive, sigmoids.sum(0) * push)


def _losses(logits: Tensor, target: Tensor, pull: Tensor, push: Tensor) -> Tensor:
    """By operations of PyTorch, for second derivatives and graphs."""
    own = target[:, None]
    masked = logits == -torch.inf
    finite = logits.masked_fill(masked, 0)
    costs = F.softplus(finite).masked_fill(masked, 0).scatter(1, own, 0)
    value = finite.gather(1, own)
    value = value + (value - value).detach()  # NaN for ∞, as above, and so is its gradient
    own_costs = F.softplus(-value).masked_fill(masked.gather(1, own), torch.inf)
    return (costs * push).sum(1) + (pull[own] * own_costs)[:, 0]
