"""Calls of the compiled kernel: the struct that it takes, its inputs and its outputs.

The kernel reads the logits once and, where a gradient is asked for, writes it in the same pass, row by row. The
exponential is accurate to 2 units in the last place of float32, and sums are formed in another order than PyTorch's:
values agree with the plain path to about 1e-6 of their size.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longtail.losses.fused.library import kernel
from longtail.losses.margins import Margins

BLOCKS = 8  # of rows, whose sums are added up in the end: a constant, so that results don't depend on the threads
LOGITS_OF_A_THREAD = 32_768  # below as many, another thread costs more than it saves
WEIGHTS_OF_SAMPLES = -1.0


class _Problem(ctypes.Structure):
    """The struct of `cross_entropy.c`."""

    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("logits", "scale", "shift", "own", "weight", "each", "index", "soft"),
                *("loss", "own_loss", "largest", "log_sum", "mass", "reduced"),
                *("positive", "negative", "received", "upstream", "gradient"),
            )
        ),
        *((name, ctypes.c_int64) for name in ("rows", "classes", "stride", "ignored", "blocks")),
        ("divisor", ctypes.c_double),
        *((name, ctypes.c_int64) for name in ("samples", "next")),
        ("smoothing", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("is_bfloat16", "threads")),
    )


class Settings(NamedTuple):
    """The settings of cross-entropy, other than its weights.

    Attributes:
        ignore_index: index targets of this value count for nothing.
        label_smoothing: in [0, 1].
        reduction: "mean", "sum" or "none".
        divisor: what "mean" divides the sum by; `None`: the weights of the samples. A tensor in compiled graphs.
    """

    ignore_index: int = -100
    label_smoothing: float = 0.0
    reduction: str = "mean"
    divisor: float | Tensor | None = None


class Received(NamedTuple):
    """What a loss with memory learns from a batch.

    Attributes:
        positive: (C,) the positive gradient on each class.
        negative: (C,) the negative gradient that the samples of each class cause; for index targets the same tensor.
        samples: how many are neither ignored nor without a finite loss; a scalar.
        losses: (N,) the loss of each sample, without weights and smoothing; 0 where it is ignored.
        target: (N,) class indices, or (N, C) probabilities.
    """

    positive: Tensor
    negative: Tensor
    samples: Tensor
    losses: Tensor
    target: Tensor


def constants(
    classes: int, margins: Margins, weight: Tensor | None
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Factor, shift, shift at the target, class weights and shift of each logit, as the kernel reads them."""
    factor, shift, own, weight, each = vectors_of(margins, weight)
    return factor, torch.zeros(classes, dtype=torch.float32) if shift is None else shift, own, weight, each


def vectors_of(margins: Margins, weight: Tensor | None) -> tuple[Tensor | None, ...]:
    """The same, in float32 and contiguous; `None` for what is not there."""
    return tuple(map(_vector, (margins.factor, margins.shift, margins.own, weight, margins.each)))


def target_of(target: Tensor) -> Tensor:
    """The target as the kernel reads it."""
    if target.is_floating_point() and target.dtype != torch.float32:
        target = target.to(torch.float32)
    return target.contiguous()


class Computed(NamedTuple):
    """What one call of the kernel gives.

    Attributes:
        loss: a scalar, or (N,).
        gradient: (N, C) for an upstream gradient of 1, where it was asked for.
        kept: (5, N) what a later call for a gradient needs.
        received: what a loss with memory learns, where it was asked for.
        divisor: what the sum of the losses was divided by.
    """

    loss: Tensor
    gradient: Tensor | None
    kept: Tensor
    received: Received | None
    divisor: float


def computed(
    logits: Tensor, target: Tensor, vectors: list[Any], settings: Settings, *, learning: bool, graded: bool
) -> Computed:
    """Call the kernel; the gradient is written while each row is in the cache.

    Raises:
        IndexError: a class index outside [0, C).
    """
    kept = torch.empty(5, len(logits), dtype=torch.float32)
    loss = torch.empty(len(logits) if settings.reduction == "none" else (), dtype=torch.float32)
    problem = _problem(logits, target, vectors, kept, settings, loss)
    sums = _room_for_sums(problem, target, logits.shape[1]) if learning else None
    gradient = torch.empty(logits.shape, dtype=logits.dtype) if graded else None
    if gradient is not None:
        problem.gradient = gradient.data_ptr()
    _run_forward(problem)
    received = None
    if sums is not None:
        samples = torch.full((), problem.samples, dtype=torch.float32)
        received = Received(*_added_up(sums), samples, kept[1], target)
    return Computed(loss, gradient, kept, received, problem.divisor)


def kernel_gradient(
    upstream: Tensor,
    logits: Tensor,
    target: Tensor,
    vectors: list[Any],
    kept: Tensor,
    settings: Settings,
    divisor: float,
) -> Tensor:
    """The gradient (N, C) from what an earlier call has kept, for an upstream gradient of one value, or (N,)."""
    gradient = torch.empty(logits.shape, dtype=logits.dtype)
    problem = _problem(logits, target, vectors, kept, settings, upstream)
    problem.divisor, problem.upstream, problem.gradient = divisor, upstream.data_ptr(), gradient.data_ptr()
    kernel().backward(ctypes.byref(problem))
    return gradient


def kernel_losses(
    logits: Tensor,
    target: Tensor,
    margins: Margins,
    weight: Tensor | None,
    settings: Settings,
    *,
    upstream: Tensor | None = None,
    gradient: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of each row by the compiled kernel, outside autograd.

    Args:
        logits: (N, C), float32 or bfloat16, on the CPU, contiguous.
        target: (N,) class indices, int64.
        margins: (C,) each.
        weight: (C,) class weights.
        settings: those of cross-entropy; nothing is reduced, whatever they say.
        upstream: (N,) what the gradient of each row is multiplied by; `None` is 1.
        gradient: room for it, as the logits; without label smoothing it may be the logits themselves.

    Returns:
        (N,) losses, and the same without weights and smoothing; 0 for ignored rows.

    Raises:
        NoKernelError: there is none.
        IndexError: a class index outside [0, C).
    """
    vectors = constants(logits.shape[1], margins, weight)
    kept, losses = torch.empty(5, len(logits), dtype=torch.float32), torch.empty(len(logits), dtype=torch.float32)
    problem = _problem(logits, target, vectors, kept, settings._replace(reduction="none"), losses)
    problem.upstream = None if upstream is None else upstream.data_ptr()
    problem.gradient = None if gradient is None else gradient.data_ptr()
    _run_forward(problem)
    return losses, kept[1].clone()


def _run_forward(problem: _Problem) -> None:
    if kernel().forward(ctypes.byref(problem)):
        raise IndexError(f"`target` must lie in [0, {problem.classes}).")


def _problem(
    logits: Tensor, target: Tensor, vectors: Sequence[Tensor | None], kept: Tensor, settings: Settings, value: Tensor
) -> _Problem:
    check_constants(logits, target, vectors)
    rows, classes = logits.shape
    first, step = kept.data_ptr(), rows * kept.element_size()
    soft, reduced = target.is_floating_point(), settings.reduction != "none"
    factor, shift, own, weight, each = (None if vector is None else vector.data_ptr() for vector in vectors)
    divisor = settings.divisor if settings.reduction == "mean" else 1.0
    return _Problem(
        *(logits.data_ptr(), factor, shift, own, weight, each),
        *((None, target.data_ptr()) if soft else (target.data_ptr(), None)),
        first if reduced else value.data_ptr(),
        *(first + step, first + 2 * step, first + 3 * step, first + 4 * step),
        *(value.data_ptr() if reduced else None, None, None, None, None, None),
        *(rows, classes, logits.stride(0), settings.ignore_index, rows),
        *(WEIGHTS_OF_SAMPLES if divisor is None else divisor, 0, 0, settings.label_smoothing),
        *(logits.dtype == torch.bfloat16, min(torch.get_num_threads(), rows * classes // LOGITS_OF_A_THREAD)),
    )


def check_constants(logits: Tensor, target: Tensor, vectors: Sequence[Tensor | None]) -> None:
    """Raise if a kernel would read memory that is not theirs: of another device, or beyond the end of a vector."""
    for tensor in (target, *vectors):
        if tensor is not None and tensor.device != logits.device:
            raise ValueError(
                f"`target` and the loss must be on the device of the logits, {logits.device}. Got {tensor.device}. "
                "Move them: `target.to(logits.device)`, `criterion.to(logits.device)`."
            )
    for vector in vectors:
        if vector is not None and vector.shape not in (logits.shape[1:], logits.shape):
            raise ValueError(
                f"The weights and margins of the loss must hold {logits.shape[1]} classes, as the logits do. "
                f"Got the shape {tuple(vector.shape)}."
            )


def _room_for_sums(problem: _Problem, target: Tensor, classes: int) -> Tensor:
    """(C,) for index targets, (2, blocks, C) for probabilities."""
    if not target.is_floating_point():
        sums = torch.zeros(classes, dtype=torch.float32)
        problem.received = sums.data_ptr()
        return sums
    problem.blocks = BLOCKS
    sums = torch.zeros(2, BLOCKS, classes, dtype=torch.float32)
    problem.positive, problem.negative = (each.data_ptr() for each in sums)
    return sums


def _added_up(sums: Tensor) -> tuple[Tensor, Tensor]:
    if sums.dim() == 1:
        return sums, sums
    positive, negative = sums.sum(1)
    return positive, negative


def _vector(vector: Tensor | None) -> Tensor | None:
    if vector is None or (vector.dtype == torch.float32 and vector.is_contiguous() and not vector.requires_grad):
        return vector
    return vector.detach().to(torch.float32).contiguous()
