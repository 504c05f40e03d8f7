"""Checks of arguments that all packages share, and the wording of their errors.

An error names the argument, the rule, the value that broke it and, where one is known, the likely cause.
"""

import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longtail.similar import most_similar

SHOWN = 25  # keywords in a message
NO_NUMBERS = ("c", "m", "M")
"""Kinds of arrays that numpy would cast to numbers: complex ones lose a part, dates and durations are none."""
LARGEST = 1e15  # of a strength or a size: float32 still holds the product of two


def check_choice(name: str, value: object, choices: Sequence[object], *, otherwise: str = "") -> None:
    """Raise `ValueError` unless `value` is one of `choices`, where True is no 1.

    Args:
        name: of the argument.
        value: its value.
        choices: what it may be.
        otherwise: advice where no choice is similar.
    """
    if value not in choices or isinstance(value, bool):
        known = ", ".join(map(repr, choices))
        advice = guess(value, choices) or (otherwise and f" {otherwise}")
        raise ValueError(f"`{name}` must be one of {known}. Got {value!r}.{advice}")


def check_keywords(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `TypeError` unless all keywords are known; for functions that collect theirs in `**settings`."""
    known = list(known)
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        near = " or ".join(map(repr, get_close_matches(unknown.casefold(), known, n=2)))
        hint = f" Did you mean {near}?" if near else f" It takes {', '.join(known)}." if len(known) <= SHOWN else ""
        raise TypeError(f"`{function}` got an unexpected keyword argument {unknown!r}.{hint}")


def keywords_of(*functions: Callable[..., Any]) -> list[str]:
    """Names of the parameters of functions, without the first of each and those that collect others.

    Example:
        >>> def scaled(values, factor=1.0, **more): ...
        >>> keywords_of(scaled)
        ['factor']
    """
    found = [list(inspect.signature(function).parameters.values())[1:] for function in functions]
    collects = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return list(dict.fromkeys(own.name for parameters in found for own in parameters if own.kind not in collects))


def guess(value: object, choices: Sequence[object]) -> str:
    """The choice that was meant, as a sentence after a space; empty if none is similar.

    Example:
        >>> guess("galla", ["ce", "gala"]), guess("other", ["ce", "gala"])
        (" Did you mean 'gala'?", '')
    """
    by_name = {str(choice): choice for choice in choices}
    meant = most_similar(str(value), by_name)
    return f" Did you mean {by_name[meant]!r}?" if meant else ""


def check_strength(name: str, value: float) -> None:
    """Raise unless `value` is a real number in [0, 1e15] (0 switches a method off)."""
    check_real(name, value)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"`{name}` must be finite and at least 0. Got {value!r}.")
    if float(value) > LARGEST:
        raise ValueError(f"`{name}` must be at most {LARGEST:g}: results overflow above. Got {value!r:.80}.")


def check_positive(name: str, value: float) -> None:
    """Raise unless `value` is a finite real number > 0."""
    check_real(name, value)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be finite and greater than 0. Got {value!r}.")


def check_size(name: str, value: float) -> None:
    """Raise unless `value` is a real number in [1e-15, 1e15]: a scale, or a number that is divided by."""
    check_positive(name, value)
    if not 1 / LARGEST <= float(value) <= LARGEST:
        raise ValueError(
            f"`{name}` must lie in [{1 / LARGEST:g}, {LARGEST:g}]: results are not finite outside. Got {value!r:.80}."
        )


def check_fraction(name: str, value: float) -> None:
    """Raise unless 0 ≤ `value` ≤ 1."""
    check_real(name, value)
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must lie in [0, 1]. Got {value!r}.")


def check_flag(name: str, value: object) -> None:
    """Raise unless `value` is True or False: any other text than "" would be true."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"`{name}` must be True or False. Got {value!r}.")


def check_integer(name: str, value: int, minimum: int) -> None:
    """Raise unless `value` is an integer ≥ `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"`{name}` must be an integer. Got {value!r} ({type(value).__name__}).")
    if value < minimum:
        raise ValueError(f"`{name}` must be at least {minimum}. Got {value}.")


def check_num_classes(value: int) -> None:
    """Raise unless `value` is an integer ≥ 2."""
    refuse_class_counts(value)
    check_integer("num_classes", value, minimum=1)
    if value == 1:
        raise ValueError(
            "`num_classes` must be at least 2. Got 1. A binary problem has two logits here; "
            "for one sigmoid output z, pass the logits (0, z)."
        )


def refuse_class_counts(num_classes: object) -> None:
    """Raise if `num_classes` is not a number but what looks like the class counts that other functions take."""
    if isinstance(num_classes, (Tensor, np.ndarray, Sequence)) and np.ndim(num_classes) == 1:
        raise TypeError(
            f"`num_classes` must be an integer. Got {len(num_classes)} values: for class counts pass their number, "
            f"`num_classes={len(num_classes)}`; functions that use them as well take `class_counts=`."
        )


def as_class_indices(name: str, labels: Tensor, num_classes: int | None = None, cause: str = "") -> Tensor:
    """Labels of any integer dtype as int64; in a smaller dtype `ignore_index` or the number of classes may wrap around.

    Args:
        name: of the argument, for errors.
        labels: any shape; (N,) if they are to be checked.
        num_classes: C, to check that the labels lie in [0, C); this synchronises the device.
        cause: the question that the error about that ends with.

    Raises:
        TypeError: not integers.
        ValueError: a label outside [0, C).
    """
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"`{name}` must hold class indices, integers. Got {labels.dtype}.")
    labels = labels.long()
    if num_classes is None:
        return labels
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        index = int(outside.nonzero()[0])
        raise ValueError(
            f"`{name}` must lie in [0, {num_classes}). Got {labels[index].item()} at index {index}. {cause}"
        )
    return labels


def column_hint(name: str, labels: Tensor) -> str:
    """What to do with labels of the shape (N, 1), to end an error about their shape; empty for other shapes."""
    return f" Pass `{name}[:, 0]`." if labels.dim() == 2 and labels.shape[1] == 1 else ""


def from_numpy(name: str, values: Any, *, shared: bool = False) -> Tensor:
    """An array, list or column of numbers as a tensor, sharing memory where torch can.

    Args:
        name: of the argument, for errors.
        values: what it was given.
        shared: share read-only memory too (a file mapped into it): for tensors that nobody writes to.

    Raises:
        TypeError: not numbers, or masked values.
        ValueError: rows of different lengths.
    """
    refuse_masked(f"`{name}`", values)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"`{name}` must hold rows of one length. It does not: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"`{name}` must hold numbers. Got {type(values).__name__} of {array.dtype}.")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    elif array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if (not array.flags.writeable and not shared) or any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writ", UserWarning)
        return torch.from_numpy(array)


def refuse_masked(what: str, values: object) -> None:
    """Raise `TypeError` if a numpy array has masked values: `np.asarray` would show what is under the mask.

    Args:
        what: they are, as the message calls them.
        values: of any kind.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise TypeError(f"{what} must have no masked values. Leave them out, or fill them in: `.filled(…)`.")


def as_float64(name: str, values: Any) -> np.ndarray:
    """Values as float64.

    Raises:
        TypeError: values that are no numbers, that no float64 holds, that are masked, or rows of different lengths.
    """
    refuse_masked(f"`{name}`", values)
    if isinstance(values, Tensor):  # numpy has no bfloat16, and takes no tensor of a graph
        values = values.detach().cpu().resolve_conj()
        values = values.numpy() if values.is_complex() else values.double().numpy()
    try:
        if getattr(getattr(values, "dtype", None), "kind", "") in NO_NUMBERS:
            raise TypeError
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"`{name}` must hold numbers. Got {values!r:.80}.") from None


def refuse_unordered(class_names: object) -> None:
    """Raise if class names are a set."""
    if isinstance(class_names, (set, frozenset)):
        raise TypeError("`class_names` must be in the order of the classes. Got a set, which has none: pass a list.")


def check_real(name: str, value: float) -> None:
    """Raise unless `value` is a real number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"`{name}` must be a real number. Got {value!r} ({type(value).__name__}).")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise ValueError(f"`{name}` must be finite. Got an integer of {value.bit_length():,} bits.")
