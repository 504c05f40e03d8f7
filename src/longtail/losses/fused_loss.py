"""What a loss computes by the compiled kernel: cross-entropy with its margins, and what it learns from the batch."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from longtail.losses.fused import (
    Received,
    Settings,
    compiled_cross_entropy,
    cross_entropy_on_gpu,
    fused_cross_entropy,
    refuse_without_margins,
)
from longtail.losses.inputs import class_dimension
from longtail.losses.margins import Margins
from longtail.losses.received_gradients import received_of

if TYPE_CHECKING:
    from longtail.losses.contract import LongTailedLoss


def margins_to_fuse(criterion: "LongTailedLoss", logits: Tensor, target: Tensor) -> Margins | None:
    """The margins of a batch; `None` where the loss has none, or where they leave plain cross-entropy.

    Raises:
        ValueError: the loss has none, and its `fused` is `True`.
    """
    margins = criterion.margins_for(logits, target) if criterion.margins_suffice else None
    if margins is None:
        refuse_without_margins(criterion.fused, criterion)
    elif margins.change_nothing and not criterion.combines:
        return None
    return margins


def fused_loss(criterion: "LongTailedLoss", logits: Tensor, target: Tensor, margins: Margins, learning: bool) -> Tensor:
    """The loss, reduced; with `learning` the loss also learns from the batch.

    Args:
        criterion: the loss.
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, int64, or probabilities.
        margins: of the batch.
        learning: call `observe_received`.
    """
    settings = _settings(criterion, target)
    loss, received = kernel_cross_entropy(logits, target, margins, criterion.class_weights(), settings, learning)
    if received is not None:
        criterion.observe_received(received)
    return loss


def kernel_cross_entropy(
    logits: Tensor,
    target: Tensor,
    margins: Margins,
    weight: Tensor | None,
    settings: Settings,
    learning: bool = False,
) -> tuple[Tensor, Received | None]:
    """Cross-entropy on adjusted logits by the kernel of their device, and what is learnt of the batch.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, int64, or probabilities.
        margins: of the batch.
        weight: (C,) class weights.
        settings: those of cross-entropy.
        learning: compute what the classes receive.
    """
    dim, soft, classes = class_dimension(logits), target.is_floating_point(), logits.shape[class_dimension(logits)]
    shape = logits.shape[:dim] + logits.shape[dim + 1 :]
    if logits.dim() != 2:
        logits = logits.movedim(dim, -1).reshape(-1, classes)
        target = target.movedim(dim, -1).reshape(-1, classes) if soft else target.reshape(-1)
        margins = margins.of_rows(dim)
    rows = logits if logits.stride(1) == 1 else logits.contiguous()
    loss, received = _of_rows(rows, target, margins, weight, settings, learning)
    return (loss.view(shape) if settings.reduction == "none" else loss), received


def _of_rows(
    rows: Tensor, target: Tensor, margins: Margins, weight: Tensor | None, settings: Settings, learning: bool
) -> tuple[Tensor, Received | None]:
    if rows.is_cuda:
        loss, own_losses = cross_entropy_on_gpu(rows, target, margins, weight, settings)
        if not learning:
            return loss, None
        return loss, received_of(own_losses, target, rows.shape[1], settings.ignore_index)
    function = compiled_cross_entropy if torch.compiler.is_compiling() else fused_cross_entropy
    return function(rows, target, margins, weight, settings, learning=learning)


def _settings(criterion: "LongTailedLoss", target: Tensor) -> Settings:
    divisor: Tensor | float | None = None
    if target.is_floating_point() and criterion.reduction == "mean":
        divisor = criterion.mean_divisor(target)
        if not torch.compiler.is_compiling():
            divisor = float(divisor)
    return Settings(criterion.ignore_index, criterion.label_smoothing, criterion.reduction, divisor)
