"""What post-hoc methods ask of logits and labels, and the way from numpy or torch and back."""

import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import as_class_indices, column_hint, from_numpy
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.probability_rows import look_like_probabilities

Array = TypeVar("Array", np.ndarray, Tensor)


def as_logits(logits: np.ndarray | Tensor, num_classes: int | None = None, *, masked: bool = False) -> Tensor:
    """Finite logits (N, C) or (C,) as a detached tensor that shares the memory of what was given.

    Args:
        logits: numpy or torch, floating point.
        num_classes: C, if known.
        masked: accept -inf, the logit of a class that is masked, unless a whole row is.

    Raises:
        TypeError: neither an array nor a tensor of floating point numbers.
        ValueError: another shape or number of classes, or a value that is not finite.
    """
    if not isinstance(logits, (np.ndarray, Tensor)):
        raise TypeError(f"`logits` must be a numpy array or a torch tensor. Got {type(logits).__name__}.")
    tensor = logits.detach() if isinstance(logits, Tensor) else from_numpy("logits", logits, shared=True)
    if not tensor.is_floating_point():
        raise TypeError(f"`logits` must be floating point. Got {logits.dtype}.")
    _refuse_odd("logits", tensor)
    if tensor.dim() not in (1, 2) or tensor.shape[-1] < 2:
        raise ValueError(f"`logits` must have the shape (N, C) with C at least 2. Got {tuple(tensor.shape)}.")
    if num_classes is not None and tensor.shape[-1] != num_classes:
        raise ValueError(f"`logits` must have {num_classes} classes, as fitted. Got {tensor.shape[-1]}.")
    index = _not_finite(tensor, masked=masked)
    if index is not None:
        rule = "be finite, or -inf for masked classes" if masked else "be finite"
        clip = "" if masked else " Logarithms of probabilities that are 0? Clip those to a small number first."
        raise ValueError(f"`logits` must {rule}. Got {tensor[tuple(index)].item()} at {index}.{clip}")
    if masked:
        _refuse_all_masked(tensor)
    return tensor


def as_logit_rows(logits: np.ndarray | Tensor, num_classes: int | None = None, *, masked: bool = False) -> Tensor:
    """`as_logits` for (N, C) with at least one sample."""
    tensor = as_logits(logits, num_classes, masked=masked)
    if tensor.dim() != 2 or not len(tensor):
        raise ValueError(f"`logits` must have the shape (N, C) with N at least 1. Got {tuple(tensor.shape)}.")
    return tensor


def as_sample_logits(logits: np.ndarray | Tensor, num_classes: int | None = None, *, masked: bool = False) -> Tensor:
    """`as_logit_rows`, for fitting: warns if they look like probabilities."""
    tensor = as_logit_rows(logits, num_classes, masked=masked)
    if all(look_like_probabilities(tensor[block]) for block in row_blocks(*tensor.shape)):
        warnings.warn("`logits` hold rows that sum to 1. Are they probabilities? Pass their logarithms.", stacklevel=4)
    return tensor


def _refuse_odd(name: str, tensor: Tensor, smallest: int = 2) -> None:
    """Raise for a tensor without values, a sparse one, or one of floats of a byte, with which torch can't compute."""
    odd = "on the device meta, without values" if tensor.is_meta else None
    odd = odd or ("sparse" if tensor.layout != torch.strided else None)
    odd = odd or (f"of {tensor.dtype}" if tensor.dtype.itemsize < smallest else None)
    if odd is not None:
        raise TypeError(f"`{name}` must be a dense tensor of values that torch computes with. Got one {odd}.")


def _refuse_all_masked(tensor: Tensor) -> None:
    rows = tensor.reshape(-1, tensor.shape[-1])
    for block in row_blocks(*rows.shape):
        empty = rows[block].amax(1) == -torch.inf
        if empty.any():
            raise ValueError(
                "`logits` must be above -inf for at least one class of each sample. "
                f"Got -inf everywhere in row {block.start + int(empty.nonzero()[0])}. Drop the sample."
            )


def _not_finite(tensor: Tensor, *, masked: bool = False) -> list[int] | None:
    """The index of the first value that is not finite (or -inf if `masked`). Sums are checked first: that is faster."""
    rows = tensor.reshape(-1, tensor.shape[-1])
    for block in row_blocks(*rows.shape):
        part = rows[block]
        if part.sum().isfinite():
            continue
        broken = ~part.isfinite()
        if masked:
            broken &= part != -torch.inf
        if broken.any():
            row, column = broken.nonzero()[0].tolist()
            return [block.start + row, column][-tensor.dim() :]
    return None


def as_features(features: np.ndarray | Tensor, size: int | None = None) -> Tensor:
    """Finite features (N, D) as a detached tensor that shares the memory of what was given.

    Raises:
        TypeError: neither an array nor a tensor of floating point numbers.
        ValueError: another shape or size, no sample, or a value that is not finite.
    """
    if not isinstance(features, (np.ndarray, Tensor)):
        raise TypeError(f"`features` must be a numpy array or a torch tensor. Got {type(features).__name__}.")
    tensor = features.detach() if isinstance(features, Tensor) else from_numpy("features", features)
    if not tensor.is_floating_point():
        raise TypeError(f"`features` must be floating point. Got {features.dtype}.")
    _refuse_odd("features", tensor)
    if tensor.dim() != 2 or not len(tensor) or size not in (None, tensor.shape[1]):
        expected = "(N, D)" if size is None else f"(N, {size})"
        raise ValueError(f"`features` must have the shape {expected} with N at least 1. Got {tuple(tensor.shape)}.")
    if not tensor.isfinite().all():
        index = (~tensor.isfinite()).nonzero()[0].tolist()
        raise ValueError(f"`features` must be finite. Got {tensor[tuple(index)].item()} at {index}.")
    return tensor


def as_labels(target: np.ndarray | Tensor | list[int], num_samples: int, num_classes: int | None = None) -> Tensor:
    """Class indices (N,) as an int64 tensor on the CPU.

    Args:
        target: (N,) class indices.
        num_samples: N.
        num_classes: C; by default any.

    Raises:
        TypeError: not integers.
        ValueError: another shape or length, or a label outside [0, C).
    """
    if not isinstance(target, Tensor) and np.asarray(target).dtype.kind in "OSU":
        raise TypeError(
            "`target` must hold class indices. Got names: pass class_names.index(name) for each, or give scores and "
            "labels to `longtail.repair.read_predictions((logits, labels), class_names=...)`, which matches names."
        )
    if isinstance(target, Tensor):
        _refuse_odd("target", target, smallest=1)
    labels = target.detach().cpu() if isinstance(target, Tensor) else from_numpy("target", target)
    if labels.shape == (num_samples, num_classes) and num_samples:
        raise ValueError(
            f"`target` must have the shape ({num_samples},). Got {tuple(labels.shape)}. Is it one-hot? "
            "Pass `target.argmax(1)`."
        )
    if labels.shape != (num_samples,):
        raise ValueError(
            f"`target` must hold one label per sample, ({num_samples},). Got {tuple(labels.shape)}."
            + column_hint("target", labels)
        )
    labels = as_class_indices("target", labels)
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    return as_class_indices("target", labels, num_classes, "Do the logits and the labels belong to the same classes?")


def decisions(logits: Tensor, offset: np.ndarray) -> Tensor:
    """argmax(z + o) in float64, (N,) int64 for (N, C), block by block; or of one sample (C,)."""
    own = torch.tensor(offset, dtype=torch.float64, device=logits.device)
    if logits.dim() == 1:
        return (logits.double() + own).argmax()
    # The result is there before the blocks are: small pieces kept between large ones would scatter the memory.
    decided = torch.empty(len(logits), dtype=torch.int64, device=logits.device)
    for part in row_blocks(*logits.shape):
        torch.argmax(logits[part] + own, 1, out=decided[part])
    return decided


def by_blocks(logits: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of rows (n, C), applied block by block, in the shape and dtype of the logits, (N, C) or (C,)."""
    rows = logits.reshape(-1, logits.shape[-1])
    result = torch.empty_like(rows)
    for part in row_blocks(*rows.shape):
        result[part] = function(rows[part])
    return result.view(logits.shape)


def like(given: Array, result: Tensor) -> Array:
    """The result as numpy if numpy was given, as torch otherwise."""
    return result if isinstance(given, Tensor) else result.numpy()
