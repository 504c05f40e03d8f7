"""The Triton kernels of `fused.gpu`: each program computes one row of the logits, in blocks of classes.

Vectors that are not given are `None`: Triton compiles a variant of the kernel without them.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import triton
import triton.language as tl


@triton.jit
def _adjusted(logits, factor, shift, own, each, row, stride, classes, label, column):
    """The adjusted logits: z_j factor_j + shift_j + each_j, plus own_k at the target k; −∞ beyond the last class."""
    inside = column < classes
    value = tl.load(logits + row * stride + column, mask=inside, other=-float("inf")).to(tl.float32)
    if factor is not None:
        value = tl.where(inside, value * tl.load(factor + column, mask=inside, other=1.0), value)
    if shift is not None:
        value += tl.load(shift + column, mask=inside, other=0.0)
    if each is not None:
        value += tl.load(each + row * classes + column, mask=inside, other=0.0)
    if own is not None:
        value = tl.where(column == label, value + tl.load(own + label), value)
    return value


@triton.jit
def _smoothed(weight, share, column, classes):
    """The share of label smoothing in the target of each class, times the class weight."""
    inside = column < classes
    given = tl.where(inside, share, 0.0)
    if weight is not None:
        given *= tl.load(weight + column, mask=inside, other=0.0)
    return given


@triton.jit
def _share_of_target(weight, smoothing, label):
    """What label smoothing leaves to the target, times its class weight."""
    share = 1 - smoothing
    if weight is not None:
        share *= tl.load(weight + label)
    return share


@triton.jit
def losses_of_rows(
    logits,
    target,
    factor,
    shift,
    own,
    weight,
    each,
    losses,
    own_losses,
    largest,
    log_sum,
    mass,
    stride,
    classes,
    ignored,
    smoothing,
    BLOCK: tl.constexpr,  # noqa: N803
):
    """Write the fields of `fused.gpu.RowLosses`; the losses of a label that is no class are NaN."""
    row = tl.program_id(0).to(tl.int64)
    label = tl.load(target + row)
    if label == ignored:
        tl.store(losses + row, 0.0)
        tl.store(own_losses + row, 0.0)
        tl.store(mass + row, 0.0)
        return
    valid = (label >= 0) & (label < classes)
    label = tl.where(valid, label, 0)
    most = -float("inf")
    total = 0.0
    at_target = 0.0
    for first in range(0, classes, BLOCK):
        column = first + tl.arange(0, BLOCK)
        value = _adjusted(logits, factor, shift, own, each, row, stride, classes, label, column)
        at_target += tl.sum(tl.where(column == label, value, 0.0), 0)
        higher = tl.maximum(most, tl.max(value, 0))
        base = tl.where(higher == -float("inf"), 0.0, higher)
        total = total * tl.exp(most - base) + tl.sum(tl.exp(value - base), 0)
        most = higher
    log_total = tl.log(total)
    own_loss = tl.where(valid, log_total - (at_target - most), float("nan"))
    share = _share_of_target(weight, smoothing, label)
    loss = share * own_loss
    if smoothing > 0:
        for first in range(0, classes, BLOCK):
            column = first + tl.arange(0, BLOCK)
            value = _adjusted(logits, factor, shift, own, each, row, stride, classes, label, column)
            spread = _smoothed(weight, smoothing / classes, column, classes)
            loss += tl.sum(tl.where(column < classes, spread * (log_total - (value - most)), 0.0), 0)
            share += tl.sum(spread, 0)
    tl.store(losses + row, loss)
    tl.store(own_losses + row, own_loss)
    tl.store(largest + row, most)
    tl.store(log_sum + row, log_total)
    tl.store(mass + row, share)


@triton.jit
def gradient_of_rows(
    logits,
    target,
    factor,
    shift,
    own,
    weight,
    each,
    largest,
    log_sum,
    mass,
    upstream,
    divisor,
    gradient,
    stride,
    upstream_stride,
    classes,
    ignored,
    smoothing,
    BLOCK: tl.constexpr,  # noqa: N803
):
    """Write the gradient of each row, times its upstream gradient, divided by the divisor if there is one."""
    row = tl.program_id(0).to(tl.int64)
    label = tl.load(target + row)
    if label == ignored:
        for first in range(0, classes, BLOCK):
            column = first + tl.arange(0, BLOCK)
            nothing = tl.zeros((BLOCK,), tl.float32).to(gradient.dtype.element_ty)
            tl.store(gradient + row * classes + column, nothing, mask=column < classes)
        return
    valid = (label >= 0) & (label < classes)
    label = tl.where(valid, label, 0)
    scale = tl.where(valid, tl.load(upstream + row * upstream_stride), float("nan"))
    if divisor is not None:
        scale /= tl.load(divisor)
    most = tl.load(largest + row)
    log_total = tl.load(log_sum + row)
    whole = tl.load(mass + row)
    share = _share_of_target(weight, smoothing, label)
    for first in range(0, classes, BLOCK):
        column = first + tl.arange(0, BLOCK)
        value = _adjusted(logits, factor, shift, own, each, row, stride, classes, label, column)
        slope = whole * tl.exp((value - most) - log_total)
        if smoothing > 0:
            slope -= _smoothed(weight, smoothing / classes, column, classes)
        slope = scale * tl.where(column == label, slope - share, slope)
        if factor is not None:
            slope *= tl.load(factor + column, mask=column < classes, other=1.0)
        tl.store(gradient + row * classes + column, slope.to(gradient.dtype.element_ty), mask=column < classes)
