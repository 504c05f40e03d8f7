"""Class names from labels of any type, in one order."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from longtail.arguments import refuse_masked

INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
SEVERAL = (list, tuple, set, frozenset, dict)
WHOLE = re.compile(r"(-?(?:0|[1-9]\d{0,17}))(?:\.0+)?", re.ASCII)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, sorted as numbers if all are integers, else as text.

    Example:
        >>> ordered(["2280", "10", "2280"]), ordered(["b", "10", "a"])
        (('10', '2280'), ('10', 'a', 'b'))
    """
    unique = set(names)
    if all(INTEGER.fullmatch(name) for name in unique):
        return tuple(sorted(unique, key=lambda name: (int(name), name)))
    return tuple(sorted(unique))


def named_labels(
    labels: Any, where: str, notes: list[str], place_of: Callable[[int], str] = "sample {}".format
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as indices (N,) into the names of their classes.

    Args:
        labels: (N,) or (N, 1) integers, whole floats, booleans or strings.
        where: where they come from, for messages.
        notes: gets a note on each change of a label.
        place_of: what messages call the sample at an index.

    Raises:
        TypeError: masked labels.
        ValueError: no labels; missing, negative or fractional ones; or several for one sample.

    Example:
        >>> codes, names = named_labels([1_000_000_055, 10, 10], "`y`", [])
        >>> codes.tolist(), names
        ([1, 0, 0], ('10', '1000000055'))
    """
    array = _as_column(labels, where)
    if array.dtype.kind == "f":
        array = _whole(array, where, place_of)
    if array.dtype.kind in "iu":
        return _named_integers(array, where, place_of)
    texts = [as_text(label) for label in array.tolist()]
    missing = next((index for index, text in enumerate(texts) if text is None), None)
    if missing is not None:
        raise ValueError(f"{where} must hold a label for each sample. Sample {missing} has none.")
    return _named_texts([text for text in texts if text is not None], where, notes, place_of)


def refuse_distinct(codes: np.ndarray, where: str) -> None:
    """Raise if no two samples share a label: such a column is an identifier or a quantity.

    Raises:
        ValueError: all labels differ.
    """
    if len(codes) > 2 and len(np.unique(codes)) == len(codes):
        raise ValueError(
            f"{where} must hold classes, each of several samples. All {len(codes):,} labels differ: is it an "
            "identifier or a quantity? Name another column with --label."
        )


def _as_column(labels: Any, where: str) -> np.ndarray:
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    refuse_masked(where, labels)
    try:
        array = np.asarray(labels) if not isinstance(labels, list) else _array_of_list(labels)
    except ValueError:  # of numpy
        raise ValueError(
            f"{where} must hold one label for each sample. Got lists of different lengths. Several labels for one "
            "sample are not supported: keep the samples with one label, and write it without a list."
        ) from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{where} must hold one label for each sample, (N,) or (N, 1). Got the shape {array.shape}. "
            "One-hot? Take the argmax. Several labels for one sample are not supported."
        )
    if not array.size:
        raise ValueError(f"{where} must hold at least one sample. Got none.")
    return array


def _array_of_list(labels: list[Any]) -> np.ndarray:
    """The list as an array. Strings stay objects: a numpy string array takes the memory of the longest for each."""
    if any(isinstance(label, (str, bytes)) or label is None for label in labels):
        array = np.empty(len(labels), dtype=object)
        array[:] = labels
        return array
    return np.asarray(labels)


def _whole(array: np.ndarray, where: str, place_of: Callable[[int], str]) -> np.ndarray:
    odd = ~np.isfinite(array) | (array != np.round(array)) | (np.abs(array) >= 2.0**63)
    if odd.any():
        index = int(np.flatnonzero(odd)[0])
        raise ValueError(
            f"{where} must hold classes: integers or names. Got {array[index]} at {place_of(index)}. "
            "Missing labels must be dropped; a quantity must be binned first."
        )
    return array.astype(np.int64)


def _named_integers(
    array: np.ndarray, where: str, place_of: Callable[[int], str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    values, codes = np.unique(array, return_inverse=True)
    if values[0] < 0:
        index = int(np.flatnonzero(array < 0)[0])
        raise ValueError(
            f"{where} must hold labels of at least 0. Got {array[index]} at {place_of(index)}. "
            "Where it stands for an unknown class, drop these samples."
        )
    return codes.astype(np.int64), tuple(map(str, values.tolist()))


def as_text(label: Any) -> str | None:
    """A label as text (NFC, without spaces around it); `None` for a missing label.

    Raises:
        ValueError: several labels, such as a list; bytes that are no text.

    Example:
        >>> as_text(" cat"), as_text(1.0), as_text(float("nan"))
        ('cat', '1.0', None)
    """
    if isinstance(label, SEVERAL) or getattr(label, "ndim", 0) > 0:
        raise ValueError(
            f"A label must be one text or number. Got {label!r:.60}. Several labels for one sample are not supported: "
            "keep the samples with one label, and write it without a list."
        )
    if isinstance(label, bytes):
        label = _decoded(label)
    if is_missing(label):
        return None
    return unicodedata.normalize("NFC", str(label)).strip() or None


def is_missing(value: Any) -> bool:
    """Whether a scalar is None, NaN, or one of pandas' missing values."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas' NA is neither true nor false
        return True


def first_repeated(names: Sequence[Any]) -> tuple[int, int] | None:
    """The places of the first name that is there twice, as labels are read; `None` if each is there once.

    Example:
        >>> first_repeated(["ant", "bee", " ant"]), first_repeated(["ant", "bee"])
        ((0, 2), None)
    """
    seen: dict[str | None, int] = {}
    for place, name in enumerate(names):
        earlier = seen.setdefault(as_text(name), place)
        if earlier != place:
            return earlier, place
    return None


def distinct_names(names: tuple[str, ...], kind: str, notes: list[str]) -> tuple[str, ...]:
    """The names that a data set declares for class indices; none, with a note, if two classes share one.

    Example:
        >>> notes = []
        >>> distinct_names(("crane", "ant", "crane"), "ImageNet", notes), notes
        ((), ["ImageNet names the classes 0 and 2 'crane': the labels are kept as names."])
    """
    if (places := first_repeated(names)) is None:
        return names
    notes.append(
        f"{kind} names the classes {places[0]} and {places[1]} {names[places[1]]!r}: the labels are kept as names."
    )
    return ()


def _decoded(label: bytes) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise ValueError(f"A label must be text or a number. Got bytes that are no UTF-8: {label!r:.40}.") from None


def _named_texts(
    texts: list[str], where: str, notes: list[str], place_of: Callable[[int], str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    unique = dict.fromkeys(texts)
    if all(WHOLE.fullmatch(text) for text in unique):
        if any("." in text for text in unique):
            notes.append(f"Labels of {where} such as 1.0 are read as whole numbers.")
            texts = [text.partition(".")[0] for text in texts]
            unique = dict.fromkeys(texts)
        negative = next((text for text in unique if int(text) < 0), None)
        if negative is not None:
            raise ValueError(
                f"{where} must hold labels of at least 0. Got {negative} at {place_of(texts.index(negative))}. "
                "Where it stands for an unknown class, drop these samples."
            )
    names = ordered(unique)
    note_lookalikes(names, where, notes)
    place = {name: index for index, name in enumerate(names)}
    return np.fromiter((place[text] for text in texts), dtype=np.int64, count=len(texts)), names


def note_lookalikes(names: Sequence[str], where: str, notes: list[str]) -> None:
    """Note the first two classes whose names differ in upper and lower case, or in leading zeros, alone."""
    seen: dict[str, str] = {}
    for name in names:
        key = str(int(name)) if INTEGER.fullmatch(name) else name.casefold()
        if key in seen:
            notes.append(f"{where} has the classes {seen[key]!r} and {name!r}, which are kept apart.")
            return
        seen[key] = name
