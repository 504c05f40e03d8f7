"""The loss of a linear classifier whose logits are formed a chunk of rows at a time, as an autograd function.

The logits of a chunk become their own gradient (`losses.chunk`), which is multiplied into the gradients of features,
weight and bias before the next chunk is formed. With the reductions "mean" and "sum" the forward pass does that, so
that each logit is computed only once; backward multiplies by the upstream gradient. With `reduction="none"`, and in
another backward pass through the same graph, backward forms the chunks once more. Liger Kernel and
`torch.nn.functional.linear_cross_entropy` work in the same way.

Gradients are accumulated over the chunks in float32 at least, whatever the precision of the logits.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longtail.autocast import autocast_dtype, without_autocast
from longtail.losses.chunk import Constants, losses_by_kernel, losses_in_place
from longtail.losses.fused import Settings, fuses
from longtail.losses.inputs import check_finite
from longtail.losses.margins import Margins
from longtail.losses.reduction import sample_weights

LOGITS_OF_A_CHUNK = {"cpu": 13_000_000, "cuda": 64_000_000}
MOST_ROWS = {"cpu": 256, "cuda": 4096}  # more make the products no faster, and leave the cache
FEWEST_ROWS = 32  # of a chunk: with fewer, reading the weight takes longer than multiplying by it
CLASSES_AT_ONCE = 16_384  # of a weight gradient that is added in another precision than it is multiplied in


class Choices(NamedTuple):
    """How the loss is computed.

    Attributes:
        fused: as the argument of the losses.
        validate: check that the logits are finite.
        dtype: of the logits.
    """

    fused: bool | str
    validate: bool
    dtype: torch.dtype


class Head(NamedTuple):
    """A linear classifier and what it is applied to: (N, D), (C, D) and (C,)."""

    features: Tensor
    weight: Tensor
    bias: Tensor | None

    def to(self, dtype: torch.dtype) -> "Head":
        """The same in another precision."""
        return Head(self.features.to(dtype), self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype))


class Gradients(NamedTuple):
    """Those of a head, each of the shape of what it belongs to; `None` where it is not asked for."""

    features: Tensor | None
    weight: Tensor | None
    bias: Tensor | None


def linear_cross_entropy(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    margins: Margins,
    class_weight: Tensor | None,
    settings: Settings,
    *,
    fused: bool | str = "auto",
    validate: bool = False,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy on the adjusted logits of a linear classifier, without holding the logits.

    Args:
        features: (N, D).
        weight: (C, D) of the classifier.
        bias: (C,) of the classifier.
        target: (N,) class indices in [0, C) or `ignore_index`, int64.
        margins: (C,) each.
        class_weight: (C,) class weights.
        settings: those of cross-entropy; the divisor of "mean" is the weights of the samples.
        fused: as the argument of the losses.
        validate: raise unless the logits are finite.

    Returns:
        The loss, and (N,) −log p̃ of each target, neither weighted nor smoothed, without a gradient. Both are float32
        at least.
    """
    dtype = dtype_of_logits(features)
    precise = torch.promote_types(dtype, torch.float32)
    vectors = [
        None if vector is None else vector.detach().to(precise).contiguous()
        for vector in (margins.factor, margins.shift, margins.own, class_weight)
    ]
    head = [each for each in (features, weight, bias) if each is not None]
    differentiate = torch.is_grad_enabled() and any(each.requires_grad for each in head)
    choices = Choices(fused, validate, dtype)
    with without_autocast(features.device.type):
        loss, own_losses = _LinearCrossEntropy.apply(
            features, weight, bias, target, *vectors, settings, choices, differentiate
        )
    return loss, own_losses


def dtype_of_logits(features: Tensor) -> torch.dtype:
    """That of the features; under autocast its own, unless they are float64, which autocast leaves alone."""
    low = autocast_dtype(features.device.type)
    return features.dtype if low is None or features.dtype == torch.float64 else low


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, *others: Any
    ) -> tuple[Tensor, Tensor]:
        factor, shift, own, class_weight, settings, choices, differentiate = others
        constants = Constants(Margins(factor, shift, own), class_weight, settings)
        head = Head(features, weight, bias)
        with_gradients = differentiate and settings.reduction != "none"
        gradients = _zero_gradients(head, choices.dtype, ctx.needs_input_grad[:3]) if with_gradients else None
        losses, own_losses = _losses_by_chunk(head, target, constants, choices, gradients)
        ctx.divisor = None
        if settings.reduction == "mean":
            ctx.divisor = sample_weights(target, class_weight, settings.ignore_index, losses.dtype).sum()
        ctx.gradients, ctx.settings, ctx.choices = gradients, settings, choices
        ctx.save_for_backward(features, weight, bias, target, factor, shift, own, class_weight)
        ctx.mark_non_differentiable(own_losses)
        return _reduced(losses, settings.reduction, ctx.divisor), own_losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "`linear` has no second derivatives (`create_graph=True`). Form the logits: "
                "`criterion(F.linear(features, weight, bias), target)`."
            )
        if ctx.divisor is not None:  # where it is 0, so is the gradient
            upstream = upstream / ctx.divisor.masked_fill(ctx.divisor == 0, 1)
        features, weight, bias, target, factor, shift, own, class_weight = ctx.saved_tensors
        head = Head(features, weight, bias)
        gradients, ctx.gradients = ctx.gradients, None  # changed in place: another backward pass computes its own
        if gradients is None:
            gradients = _zero_gradients(head, ctx.choices.dtype, ctx.needs_input_grad[:3])
            constants = Constants(Margins(factor, shift, own), class_weight, ctx.settings)
            upstream = upstream.to(torch.promote_types(ctx.choices.dtype, torch.float32))
            upstream = upstream.expand(len(target)).contiguous()
            with without_autocast(features.device.type):
                _losses_by_chunk(head, target, constants, ctx.choices, gradients, upstream)
        else:
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(upstream)
        of_head = (
            gradient.to(each.dtype) if gradient is not None and each is not None else None
            for gradient, each in zip(gradients, head, strict=True)
        )
        return (*of_head, *(None,) * 8)


def _zero_gradients(head: Head, dtype: torch.dtype, wanted: tuple[bool, ...]) -> Gradients:
    precise = torch.promote_types(dtype, torch.float32)
    return Gradients(
        *(
            torch.zeros(each.shape, dtype=precise, device=each.device) if each is not None and wants else None
            for each, wants in zip(head, wanted, strict=True)
        )
    )


def _losses_by_chunk(
    head: Head,
    target: Tensor,
    constants: Constants,
    choices: Choices,
    gradients: Gradients | None = None,
    upstream: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The losses and own losses of all rows, chunk by chunk; the gradients, unless `None`, are added to in place."""
    features, weight, bias = head.to(choices.dtype)
    number, classes = len(features), len(weight)
    buffer = features.new_empty(rows_of_chunk(number, classes, features.device.type), classes)
    by_kernel = fuses(choices.fused, buffer, target) and not (buffer.is_cuda or constants.settings.label_smoothing)
    losses_of = losses_by_kernel if by_kernel else losses_in_place
    losses = features.new_empty(number, dtype=torch.promote_types(choices.dtype, torch.float32))
    own_losses = torch.empty_like(losses)
    for part in (slice(start, start + len(buffer)) for start in range(0, number, len(buffer))):
        x, of_rows = features[part], None if upstream is None else upstream[part]
        logits = buffer[: len(x)]
        if bias is None:
            torch.mm(x, weight.t(), out=logits)
        else:
            torch.addmm(bias, x, weight.t(), out=logits)
        if choices.validate:
            check_finite(logits, part.start)
        chunk = losses_of(logits, target[part], constants, of_rows, differentiate=gradients is not None)
        losses[part], own_losses[part] = chunk.losses, chunk.own_losses
        if gradients is not None and chunk.gradient is not None:
            _add(gradients, part, x, weight, chunk.gradient)
    return losses, own_losses


def rows_of_chunk(rows: int, classes: int, device: str) -> int:
    """The rows of a chunk, at least 1: all chunks are about equal, and none exceeds its limit."""
    kind = "cpu" if device == "cpu" else "cuda"
    limit = max(FEWEST_ROWS, min(LOGITS_OF_A_CHUNK[kind] // classes, MOST_ROWS[kind]))
    chunks = max(1, math.ceil(rows / limit))
    return max(1, math.ceil(rows / chunks))


def _add(gradients: Gradients, part: slice, features: Tensor, weight: Tensor, of_logits: Tensor) -> None:
    if gradients.features is not None:
        rows = gradients.features[part]
        if rows.dtype == of_logits.dtype:
            torch.mm(of_logits, weight, out=rows)
        else:
            rows.copy_(of_logits @ weight)
    if gradients.bias is not None:
        gradients.bias.add_(of_logits.sum(0, dtype=gradients.bias.dtype))
    if gradients.weight is None:
        return
    if gradients.weight.dtype == of_logits.dtype:
        gradients.weight.addmm_(of_logits.t(), features)
        return
    for start in range(0, len(weight), CLASSES_AT_ONCE):
        classes = slice(start, start + CLASSES_AT_ONCE)
        gradients.weight[classes].add_(of_logits[:, classes].t() @ features)


def _reduced(losses: Tensor, reduction: str, divisor: Tensor | None) -> Tensor:
    if reduction == "none":
        return losses
    total = losses.sum()
    return total if divisor is None else total / divisor
