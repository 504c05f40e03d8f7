"""Cross-entropy on adjusted logits by the compiled kernel, as an autograd function.

The gradient is written in the forward pass, for an upstream gradient of 1; backward multiplies it by that, if it is
another. With `reduction="none"`, and in another backward pass through the same graph, backward reads the logits once
more.
"""

from typing import Any

import torch
from torch import Tensor

from longtail.losses.cross_entropy import cross_entropy_from_log_probs
from longtail.losses.fused.kernel_call import Received, Settings, computed, constants, kernel_gradient, target_of
from longtail.losses.margins import Margins


def fused_cross_entropy(
    logits: Tensor,
    target: Tensor,
    margins: Margins,
    weight: Tensor | None,
    settings: Settings,
    *,
    learning: bool = False,
) -> tuple[Tensor, Received | None]:
    """Cross-entropy on adjusted logits by the compiled kernel, and what is learnt of the batch.

    Args:
        logits: (N, C), float32 or bfloat16, on the CPU, the values of a row side by side.
        target: (N,) class indices, int64, or (N, C) probabilities; no gradient flows to it.
        margins: (C,), and (N, C) for those of each sample.
        weight: (C,) class weights.
        settings: those of cross-entropy.
        learning: compute what the classes receive.

    Raises:
        NoKernelError: there is none.
        IndexError: a class index outside [0, C).
    """
    vectors = constants(logits.shape[1], margins, weight)
    received: list[Received] = []
    loss: Tensor = _FusedCrossEntropy.apply(
        logits, target_of(target), *vectors, settings, received if learning else None
    )
    return loss, received[0] if received else None


class _FusedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, *others: Any) -> Tensor:
        *vectors, settings, received = others
        graded = logits.requires_grad and settings.reduction != "none"
        found = computed(logits, target, vectors, settings, learning=received is not None, graded=graded)
        if found.received is not None:
            received.append(found.received)
        ctx.gradient = found.gradient
        ctx.save_for_backward(logits, target, *vectors, found.kept)
        ctx.settings, ctx.divisor = settings, found.divisor
        return found.loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        nothing = (None,) * 8
        if not ctx.needs_input_grad[0]:
            return (None, *nothing)
        if ctx.gradient is not None and not torch.is_grad_enabled():
            gradient, ctx.gradient = ctx.gradient, None  # changed in place: another backward pass computes its own
            return (gradient if upstream.item() == 1 else gradient.mul_(upstream), *nothing)
        logits, target, *vectors, kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (differentiable_gradient(upstream, logits, target, vectors, ctx.settings, ctx.divisor), *nothing)
        return (
            kernel_gradient(upstream.contiguous(), logits, target, vectors, kept, ctx.settings, ctx.divisor),
            *nothing,
        )


def differentiable_gradient(
    upstream: Tensor, logits: Tensor, target: Tensor, vectors: list[Any], settings: Settings, divisor: Tensor | float
) -> Tensor:
    """The gradient by operations of PyTorch, whose own gradient is asked for (`create_graph=True`)."""
    factor, shift, own, weight, each = vectors
    log_probs = Margins(factor, shift, own, each).applied(logits, target).log_softmax(1)
    losses = cross_entropy_from_log_probs(
        log_probs, target, weight, settings.ignore_index, "none", settings.label_smoothing
    )
    loss = losses if settings.reduction == "none" else losses.sum() / divisor
    return torch.autograd.grad(loss, logits, upstream, create_graph=True)[0]
