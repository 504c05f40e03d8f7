"""What every loss asks of its logits and targets: shapes and dtypes always, values only on request."""

from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import as_class_indices, check_fraction, column_hint
from longtail.autocast import autocast_dtype


def check_arguments(num_classes: int, weight: Tensor | None, ignore_index: int, label_smoothing: float) -> None:
    """Raise unless the arguments that every loss shares with `F.cross_entropy` are what they must be."""
    check_fraction("label_smoothing", label_smoothing)
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, (int, np.integer)):
        raise TypeError(f"`ignore_index` must be an integer. Got {ignore_index!r}. To ignore nothing, leave it out.")
    if weight is None:
        return
    if not isinstance(weight, Tensor):
        raise TypeError(f"`weight` must be a tensor. Got {type(weight).__name__}.")
    if weight.is_complex():
        raise TypeError(f"`weight` must hold real numbers. Got {weight.dtype}.")
    if weight.shape != (num_classes,):
        raise ValueError(f"`weight` must have the shape ({num_classes},). Got {tuple(weight.shape)}.")


def checked_target(logits: Tensor, target: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """The target, as int64 if it holds class indices, as given if it holds probabilities.

    Raises unless logits are (N, C), (N, C, d1, …) or (C,), and the target fits. Reads no values, so it neither
    synchronises a device nor breaks a compiled graph.
    """
    if not (isinstance(logits, Tensor) and isinstance(target, Tensor)):
        raise TypeError(
            f"`logits` and `target` must be tensors. Got {type(logits).__name__} and {type(target).__name__}."
        )
    shape = logits.shape
    class_dim = class_dimension(logits)
    if not logits.dim() or shape[class_dim] != num_classes:
        last = logits.dim() > 2 and shape[-1] == num_classes
        raise ValueError(
            f"`logits` must have the shape (N, C) or (N, C, d1, …) with C = {num_classes}. Got {tuple(shape)}. "
            + ("Move the classes: `logits.movedim(-1, 1)`." if last else "Is `num_classes` right?")
        )
    if not logits.is_floating_point():
        raise TypeError(f"`logits` must be floating point. Got {logits.dtype}.")
    if target.is_floating_point():
        if target.shape != shape:
            raise ValueError(
                f"`target` given as probabilities must have the shape of the logits, {tuple(shape)}. Got "
                f"{tuple(target.shape)}. Class indices must be integers: `target.long()`."
            )
        if ignore_index >= 0:
            raise ValueError(f"`ignore_index` must be left out with probabilities as target. Got {ignore_index}.")
        return target
    if target.shape != shape[:class_dim] + shape[class_dim + 1 :]:
        _refuse_index_shape(logits, target)
    return as_class_indices("target", target)


def as_statistics(**named: Tensor) -> tuple[Tensor, ...]:
    """Statistics of the classes by the names of their arguments, each (C,), as constants in float32 at least.

    Raises:
        TypeError: no tensors.
        ValueError: another shape than (C,), or fewer than 2 classes.
    """
    for name, statistic in named.items():
        if not isinstance(statistic, Tensor) or statistic.is_complex():
            raise TypeError(f"`{name}` must be a tensor of real numbers. Got {_kind(statistic)}.")
    first, *others = named
    shape = named[first].shape
    if len(shape) != 1:
        raise ValueError(f"`{first}` must have the shape (C,). Got {tuple(shape)}.")
    for name in others:
        if named[name].shape != shape:
            raise ValueError(
                f"`{name}` must have the shape of `{first}`, {tuple(shape)}. Got {tuple(named[name].shape)}."
            )
    if shape[0] < 2:
        raise ValueError(f"`{first}` must hold at least 2 classes. Got {shape[0]}.")
    return tuple(each.detach().to(torch.promote_types(each.dtype, torch.float32)) for each in named.values())


def check_draw(name: str, draw: Tensor, logits: Tensor, dtype: torch.dtype | None = None) -> None:
    """Raise unless what was drawn for each logit is a tensor of their shape, of real numbers or of a given dtype."""
    if not isinstance(draw, Tensor) or draw.is_complex() or dtype not in (None, draw.dtype):
        kind = "real numbers" if dtype is None else f"{dtype}"
        raise TypeError(f"`{name}` must be a tensor of {kind}. Got {_kind(draw)}.")
    if draw.shape != logits.shape:
        raise ValueError(f"`{name}` must have the shape of the logits, {tuple(logits.shape)}. Got {tuple(draw.shape)}.")


def checked_head_target(
    features: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, num_classes: int
) -> Tensor:
    """The target of a linear classifier, as int64. Raises unless features, weight, bias and target fit each other."""
    named = {"features": features, "weight": weight, "target": target, **({} if bias is None else {"bias": bias})}
    for name, tensor in named.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"`{name}` must be a tensor. Got {type(tensor).__name__}.")
    if not features.is_floating_point():
        raise TypeError(f"`features` must be floating point. Got {features.dtype}.")
    if not features.dim():
        raise ValueError("`features` must have the shape (N, D) or (…, D). Got a scalar.")
    width = features.shape[-1]
    if weight.shape != (num_classes, width):
        raise ValueError(
            f"`weight` must have the shape (C, D) = ({num_classes}, {width}), as that of `nn.Linear`. "
            f"Got {tuple(weight.shape)}. {_cause_of_weight(weight, num_classes, width)}"
        )
    if bias is not None and bias.shape != (num_classes,):
        raise ValueError(f"`bias` must have the shape (C,) = ({num_classes},), or be None. Got {tuple(bias.shape)}.")
    _check_head_dtypes(features, weight, bias)
    if target.is_floating_point():
        raise TypeError(
            f"`target` of `linear` must be class indices. Got {target.dtype}. For probabilities form the logits: "
            "`criterion(F.linear(features, weight, bias), target)`."
        )
    if target.shape != features.shape[:-1]:
        raise ValueError(
            f"`target` must have the shape of the features without D, {tuple(features.shape[:-1])}. "
            f"Got {tuple(target.shape)}."
        )
    return as_class_indices("target", target)


def check_values(logits: Tensor, target: Tensor, ignore_index: int) -> None:
    """Raise unless the logits are finite and the target holds classes, or distributions over them.

    Synchronises the device.
    """
    check_finite(logits)
    if target.is_floating_point():
        _check_distributions(target, class_dimension(logits))
    else:
        check_indices(target, logits.shape[class_dimension(logits)], ignore_index)


def check_finite(logits: Tensor, first_row: int = 0) -> None:
    """Raise unless the logits, those of a batch from a row on, are finite. Synchronises the device."""
    if logits.isfinite().all():
        return
    index = (~logits.isfinite()).nonzero()[0].tolist()
    value = logits[tuple(index)].item()
    raise ValueError(
        f"`logits` must be finite. Got {value} at {[index[0] + first_row, *index[1:]]}. "
        "Has training diverged, or half precision overflowed?"
    )


def check_indices(target: Tensor, num_classes: int, ignore_index: int) -> None:
    """Raise `IndexError` (as cross-entropy does) unless each target lies in [0, C) or is `ignore_index`."""
    outside = ((target < 0) | (target >= num_classes)) & (target != ignore_index)
    if outside.any():
        index = outside.nonzero()[0].tolist()
        raise IndexError(
            f"`target` must lie in [0, {num_classes}) or be `ignore_index` ({ignore_index}). "
            f"Got {target[tuple(index)].item()} at index {index[0] if len(index) == 1 else index}. "
            "Is `num_classes` right?"
        )


def class_dimension(logits: Tensor) -> int:
    """The dimension that holds the classes: 1, or 0 for the logits (C,) of one sample."""
    return 1 if logits.dim() > 1 else 0


def along_classes(vector: Tensor, logits: Tensor) -> Tensor:
    """View a (C,) vector so that it broadcasts along the class dimension of the logits."""
    return vector if logits.dim() <= 2 else vector.view(-1, *[1] * (logits.dim() - 2))


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def _cause_of_weight(weight: Tensor, num_classes: int, width: int) -> str:
    if weight.shape == (width, num_classes):
        return "Transpose it: `weight.t()`."
    return "Is `num_classes` right?" if weight.dim() == 2 and weight.shape[1] == width else "Is it the classifier's?"


def _check_head_dtypes(features: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if autocast_dtype(features.device.type) is not None:
        return
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.dtype != features.dtype:
            raise TypeError(
                f"`{name}` must have the dtype of the features, {features.dtype}. Got {tensor.dtype}. "
                f"Convert the features, `features.to({tensor.dtype})`, or use `torch.autocast`."
            )


def _refuse_index_shape(logits: Tensor, target: Tensor) -> NoReturn:
    dim = class_dimension(logits)
    expected = tuple(logits.shape[:dim] + logits.shape[dim + 1 :])
    cause = column_hint("target", target) if logits.dim() == 2 else ""
    if target.shape == logits.shape:
        cause = " Is it one-hot? Pass `target.argmax(1)`, or `target.float()` for probabilities."
    raise ValueError(
        f"`target` given as class indices must have the shape {expected}. Got {tuple(target.shape)}.{cause}"
    )


def _check_distributions(target: Tensor, class_dim: int) -> None:
    if not (target >= 0).all():
        index = (~(target >= 0)).nonzero()[0].tolist()
        raise ValueError(
            f"`target` given as probabilities must be at least 0. Got {target[tuple(index)].item()} at {index}."
        )
    totals = target.sum(class_dim)
    off = ~((totals - 1).abs() <= 1e-3)
    if off.any():
        index = off.nonzero()[0].tolist() if off.dim() else []
        raise ValueError(
            f"`target` given as probabilities must sum to 1 over the classes. "
            f"Got a sum of {totals[tuple(index)].item():g} at {index}."
        )
