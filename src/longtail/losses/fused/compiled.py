"""The kernel as an operator of PyTorch, which graphs of `torch.compile` call.

Where there will be a gradient, it is written for an upstream gradient of 1; the compiled backward pass multiplies it.
"""

from typing import Any

import torch
from torch import Tensor

from longtail.losses.fused.kernel_call import Received, Settings, computed, constants, target_of
from longtail.losses.margins import Margins

Results = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def compiled_cross_entropy(
    logits: Tensor,
    target: Tensor,
    margins: Margins,
    weight: Tensor | None,
    settings: Settings,
    *,
    learning: bool = False,
) -> tuple[Tensor, Received | None]:
    """As `fused_cross_entropy`, for a graph that is being compiled."""
    target = target_of(target)
    graded = logits.requires_grad and torch.is_grad_enabled()
    divisor = None if settings.divisor is None else torch.as_tensor(settings.divisor, dtype=torch.float32)
    loss, _, *found = _operator(
        logits,
        target,
        *constants(logits.shape[1], margins, weight),
        divisor,
        settings.ignore_index,
        settings.label_smoothing,
        settings.reduction,
        learning,
        graded,
    )
    positive, negative, samples, losses = (each.detach() for each in found)
    return loss, Received(positive, negative, samples, losses, target) if learning else None


@torch.library.custom_op("longtail::fused_cross_entropy", mutates_args=(), device_types="cpu")
def _operator(
    logits: Tensor,
    target: Tensor,
    factor: Tensor | None,
    shift: Tensor,
    own: Tensor | None,
    weight: Tensor | None,
    each: Tensor | None,
    divisor: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
    learning: bool,
    graded: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    settings = Settings(ignore_index, label_smoothing, reduction, None if divisor is None else divisor.item())
    vectors = [factor, shift, own, weight, each]
    found = computed(logits, target, vectors, settings, learning=learning, graded=graded)
    gradient = logits.new_empty(0) if found.gradient is None else found.gradient
    if found.received is None:
        nothing = (torch.empty(0), torch.empty(0), torch.empty(()), torch.empty(0))
        return (found.loss, gradient, *nothing)
    positive, negative, samples, losses, _ = found.received
    # Results of an operator must not be views, nor share memory, as the first two may do.
    return found.loss, gradient, positive, negative.clone(), samples, losses.clone()


@_operator.register_fake
def _shapes(logits: Tensor, *arguments: Any) -> Results:
    reduction, learning, graded = arguments[-3:]
    rows, classes = logits.shape
    exact = logits.new_empty((), dtype=torch.float32)
    sums, losses = (classes, rows) if learning else (0, 0)
    return (
        exact.new_empty(rows) if reduction == "none" else exact,
        logits.new_empty((rows, classes) if graded else (0,)),
        exact.new_empty(sums),
        exact.new_empty(sums),
        exact.new_empty(()),
        exact.new_empty(losses),
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Results) -> None:
    ctx.save_for_backward(output[1])
    ctx.set_materialize_grads(False)
    ctx.arguments = len(inputs)


def _gradient(ctx: Any, upstream: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    (gradient,) = ctx.saved_tensors
    if upstream.dim():
        upstream = upstream[:, None]
    return ((gradient * upstream).to(gradient.dtype), *[None] * (ctx.arguments - 1))


_operator.register_autograd(_gradient, setup_context=_keep)
