"""Cross-entropy on adjusted logits by a Triton kernel, as an autograd function, for class indices.

Forward reads the logits (twice with label smoothing) and writes a few numbers for each row; backward reads them again
and writes their gradient. `F.cross_entropy` writes two more arrays of their size. The device is never synchronised.
"""

from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longtail.losses.fused.cross_entropy import differentiable_gradient
from longtail.losses.fused.kernel_call import Settings, check_constants, vectors_of
from longtail.losses.margins import Margins
from longtail.losses.reduction import divisor_of_mean

LARGEST_BLOCK = 4096  # classes that a program holds at once
CLASSES_OF_A_WARP = 256


class RowLosses(NamedTuple):
    """What the forward kernel writes for each row, (N,) float32.

    Attributes:
        losses: with weights and label smoothing; 0 where the target is ignored.
        own_losses: −log p̃ of the target; 0 where it is ignored.
        largest: the largest adjusted logit.
        log_sum: the log-sum-exp of the adjusted logits, minus the largest.
        mass: the sum of the weighted, smoothed target, which multiplies the probabilities in the gradient; 0 where the
            target is ignored.
    """

    losses: Tensor
    own_losses: Tensor
    largest: Tensor
    log_sum: Tensor
    mass: Tensor


def cross_entropy_on_gpu(
    logits: Tensor, target: Tensor, margins: Margins, weight: Tensor | None, settings: Settings
) -> tuple[Tensor, Tensor]:
    """The loss, reduced, and the loss of each sample without weights and smoothing (0 where it is ignored).

    A label that is neither a class nor ignored gives a loss and a gradient of NaN.

    Args:
        logits: (N, C), float32 or bfloat16, the values of a row side by side.
        target: (N,) class indices, int64.
        margins: (C,), and (N, C) for those of each sample.
        weight: (C,) class weights.
        settings: those of cross-entropy.
    """
    vectors = vectors_of(margins, weight)
    check_constants(logits, target, vectors)
    loss, own_losses = _CrossEntropyOnGpu.apply(logits, target.contiguous(), *vectors, settings)
    return loss, own_losses


def kernels() -> ModuleType:
    """The Triton kernels.

    Raises:
        ImportError: Triton is not installed.
    """
    from longtail.losses.fused import gpu_rows

    return gpu_rows


class _CrossEntropyOnGpu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
        *vectors, settings = others
        rows = RowLosses(*torch.empty(5, len(logits), dtype=torch.float32, device=logits.device))
        _launch(
            kernels().losses_of_rows,
            *(logits, target, *vectors, *rows),
            *(logits.stride(0), logits.shape[1], settings.ignore_index, float(settings.label_smoothing)),
        )
        divisor = _divisor(target, vectors[3], settings, logits.shape[1]) if settings.reduction == "mean" else None
        ctx.save_for_backward(logits, target, *vectors, rows.largest, rows.log_sum, rows.mass, divisor)
        ctx.settings = settings
        own_losses = rows.own_losses.clone()  # a view would keep the memory of all five, and change with those saved
        ctx.mark_non_differentiable(own_losses)
        if settings.reduction == "none":
            return rows.losses.clone(), own_losses
        total = rows.losses.sum()
        return total if divisor is None else total / divisor, own_losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        nothing = (None,) * 7
        if not ctx.needs_input_grad[0]:
            return (None, *nothing)
        logits, target, *vectors, largest, log_sum, mass, divisor = ctx.saved_tensors
        settings = ctx.settings
        if torch.is_grad_enabled():
            by = 1.0 if divisor is None else divisor
            return (differentiable_gradient(upstream, logits, target, vectors, settings, by), *nothing)
        gradient = torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)
        _launch(
            kernels().gradient_of_rows,
            *(logits, target, *vectors, largest, log_sum, mass, upstream.contiguous(), divisor, gradient),
            *(logits.stride(0), int(upstream.dim() == 1)),
            *(logits.shape[1], settings.ignore_index, float(settings.label_smoothing)),
        )
        return (gradient, *nothing)


def _divisor(target: Tensor, weight: Tensor | None, settings: Settings, classes: int) -> Tensor:
    """That of the mean; labels that are no class count as ignored, since they have no weight."""
    if weight is not None:
        target = target.masked_fill((target < 0) | (target >= classes), settings.ignore_index)
    return divisor_of_mean(target, weight, settings.ignore_index)


def _launch(kernel: Any, logits: Tensor, *others: Any) -> None:
    """One program for each row, on the device of the logits."""
    rows, classes = logits.shape
    block = min(LARGEST_BLOCK, 1 << (classes - 1).bit_length())
    with torch.cuda.device_of(logits):  # type: ignore[no-untyped-call]
        kernel[(rows,)](logits, *others, BLOCK=block, num_warps=max(1, min(16, block // CLASSES_OF_A_WARP)))
