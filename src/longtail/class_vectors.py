"""One number of each class: counts, weights, a prior; and classes in words."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import LARGEST, NO_NUMBERS, check_choice, refuse_masked


def as_class_counts(class_counts: Tensor | np.ndarray | Iterable[float]) -> Tensor:
    """Training samples of each class as a (C,) float64 tensor on the CPU: in [0, 1e15], not all 0."""
    counts = _as_vector("class_counts", class_counts)
    if counts.numel() < 2:
        raise ValueError(f"`class_counts` must hold at least 2 classes. Got {counts.numel()}.")
    _refuse("class_counts", "be finite and at least 0", counts, ~(counts.isfinite() & (counts >= 0)))
    _refuse("class_counts", f"be at most {LARGEST:g}", counts, counts > LARGEST)
    if not counts.any():
        raise ValueError("`class_counts` must hold at least one sample. Got only zeros.")
    return counts


def as_class_weights(name: str, weights: Tensor | np.ndarray | Iterable[float], num_classes: int) -> Tensor:
    """One weight for each class, finite and above 0, as a (C,) float64 tensor on the CPU."""
    vector = _as_vector(name, weights)
    if vector.numel() != num_classes:
        raise ValueError(f"`{name}` must hold one weight for each of the {num_classes} classes. Got {vector.numel()}.")
    _refuse(name, "be finite and above 0", vector, ~(vector.isfinite() & (vector > 0)))
    return vector


def count_empty_as_half(class_counts: Tensor) -> Tensor:
    """Replace counts of 0 by ½, with a warning: log 0 would exclude such a class."""
    empty = class_counts == 0
    if empty.any():
        classes = _listed(empty.nonzero().flatten().tolist())
        if (class_counts != class_counts.round()).any():
            raise ValueError(f"`class_counts` must be whole numbers where a class is empty, as {classes} is.")
        warnings.warn(f"Classes without a training sample are counted as ½: {classes}.", stacklevel=3)
    return class_counts.masked_fill(empty, 0.5)


def as_prior(name: str, prior: str | Tensor | np.ndarray | Iterable[float], num_classes: int) -> Tensor:
    """A class prior, "uniform" or (C,) probabilities that sum to 1, as a (C,) float64 tensor on the CPU."""
    if isinstance(prior, str):
        check_choice(name, prior, ["uniform"])
        return torch.full((num_classes,), 1 / num_classes, dtype=torch.float64)
    probabilities = _as_vector(name, prior)
    if probabilities.numel() != num_classes:
        raise ValueError(
            f"`{name}` must hold one probability for each of the {num_classes} classes. Got {probabilities.numel()}."
        )
    _refuse(name, "be finite and at least 0", probabilities, ~(probabilities.isfinite() & (probabilities >= 0)))
    total = probabilities.sum().item()
    if abs(total - 1) > 1e-6:
        raise ValueError(f"`{name}` must sum to 1. Got a sum of {total:.6g}. Are these counts? Divide by their sum.")
    return probabilities / total


def describe_classes(classes: Tensor | np.ndarray) -> str:
    """A boolean mask over classes in words, cut after ten: "3, 7 (2 classes)"."""
    return _listed(np.flatnonzero(np.asarray(classes)).tolist())


def _listed(classes: list[int]) -> str:
    shown = ", ".join(map(str, classes[:10])) + (", …" if len(classes) > 10 else "")
    return f"{shown} ({len(classes)} {'class' if len(classes) == 1 else 'classes'})"


def _as_vector(name: str, values: Any) -> Tensor:
    _refuse_without_order(name, values)
    if values is None or isinstance(values, (str, bytes)) or _kind_of(values) in NO_NUMBERS:
        raise TypeError(f"`{name}` must hold one number for each class. Got {values!r:.80}.")
    refuse_masked(f"`{name}`", values)
    if isinstance(values, Iterable) and not isinstance(values, (Tensor, np.ndarray, list, tuple)):
        values = list(values)
    try:
        vector = values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values, dtype=np.float64))
        vector = vector.to("cpu", torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"`{name}` must hold one number for each class. Got {values!r:.80}.") from error
    if vector.dim() == 0:
        raise ValueError(f"`{name}` must have the shape (C,), one number for each class. Got one number, {vector:g}.")
    if vector.dim() != 1:
        raise ValueError(f"`{name}` must have the shape (C,). Got {tuple(vector.shape)}.")
    return vector


def _refuse_without_order(name: str, values: Any) -> None:
    """Raise for what has no order, or another than that of the classes: iterating over it would give anything."""
    got = None
    if isinstance(values, Mapping):
        by_name = any(isinstance(key, str) for key in values)
        ordered = f"{name}[name] for name in class_names" if by_name else f"{name}[c] for c in range(num_classes)"
        got = f"a mapping: pass its values in the order of the classes, such as [{ordered}]"
    elif isinstance(values, (set, frozenset)):
        got = "a set: pass a list in the order of the classes"
    elif hasattr(values, "columns"):
        got = "a table: pass one of its columns"
    elif hasattr(values, "to_dict") and list(values.index) != list(range(len(values))):
        got = (
            f"a pandas Series by {list(values.index)[:3]}, …: bring it into the order of the classes and pass "
            "`.to_numpy()`"
        )
    if got is not None:
        raise TypeError(f"`{name}` must hold one number for each class, in order. Got {got}.")


def _kind_of(values: Any) -> str:
    """The kind of a dtype, as numpy has it; "" where there is none."""
    if isinstance(values, Tensor):
        return "c" if values.is_complex() else ""
    return str(getattr(getattr(values, "dtype", None), "kind", ""))


def _refuse(name: str, rule: str, values: Tensor, offending: Tensor) -> None:
    if offending.any():
        index = int(offending.nonzero()[0])
        raise ValueError(f"`{name}` must {rule}. Got {values[index].item():g} for class {index}.")
