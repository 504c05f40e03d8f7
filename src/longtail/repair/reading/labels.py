"""Labels as class indices: names are matched to class names; integers in arrays are indices, as in PyTorch."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from longtail.arguments import refuse_masked
from longtail.data.class_names import INTEGER, WHOLE, as_text
from longtail.printable import printable
from longtail.repair.by_name import BOOLEANS, ClassIndex, listed, nearest
from longtail.repair.reading.raw import Rows


def match_labels(labels: Sequence[Any], names: Sequence[str], rows: Rows, notes: list[str]) -> np.ndarray:
    """Class indices (N,) of labels that are class names.

    Args:
        labels: (N,) strings or numbers.
        names: (C,).
        rows: the origin of the rows, for messages.
        notes: changes are appended here.

    Raises:
        ValueError: a label is missing or is not a class name.
    """
    index = ClassIndex(names)
    texts = [as_text(label) for label in labels]
    place = {text: None if text is None else index.find(text) for text in dict.fromkeys(texts)}
    wrong = next((text for text, found in place.items() if found is None), "")
    if wrong != "":
        raise ValueError(_unknown(wrong, names, rows.at(texts.index(wrong))))
    _note_changes([text for text in place if text is not None], index, rows, notes)
    return np.fromiter((place[text] for text in texts), dtype=np.int64, count=len(texts))


def _unknown(text: str | None, names: Sequence[str], where: str) -> str:
    if text is None:
        return f"{where}: the label is empty. Drop samples without a label."
    advice = "use the class names as labels"
    if WHOLE.fullmatch(text) and not any(map(WHOLE.fullmatch, names)):  # an index, to which no name is similar
        similar, advice = "", f"{advice} instead of numbers"
    else:
        similar = f" Most similar: {nearest(text, names)}."
    return (
        f"{where}: the label {text!r} is not one of the {len(names)} classes {listed(names)}.{similar} Labels are "
        f"matched by name, never by position: {advice} (of arrays, --class-names names the classes)."
    )


def _note_changes(texts: list[str], index: ClassIndex, rows: Rows, notes: list[str]) -> None:
    changed = next((text for text in texts if text not in index.places), None)
    if changed is not None:
        as_class = BOOLEANS.get(changed, changed.partition(".")[0])
        notes.append(f"{rows.where}: labels such as {printable(changed, lines=False)} are read as class {as_class}.")


def as_indices(target: Any, names: Sequence[str] | None, num_classes: int, rows: Rows, notes: list[str]) -> np.ndarray:
    """Class indices (N,) of targets in arrays.

    Integers are indices, unless all class names are integers: then they are names. Strings and booleans are names.

    Args:
        target: (N,) or (N, 1).
        names: (C,) or None.
        num_classes: C.
        rows: the origin of the rows.
        notes: assumptions are appended here.

    Raises:
        ValueError: a wrong shape or number of labels, one-hot, missing or fractional labels, indices out of range, or
            strings without class names.
    """
    refuse_masked(f"the labels of {rows.where}", target)
    labels = _column(np.asarray(target), num_classes, rows)
    if labels.dtype.kind == "O" and all(isinstance(label, Real) for label in labels.tolist()):
        labels = np.asarray(labels.tolist())
    if labels.dtype.kind == "f":
        labels = _whole(labels, rows)
    if labels.dtype.kind in "iu":
        if names is None or not all(INTEGER.fullmatch(name) for name in names):
            return _within(labels, num_classes, rows)
        if tuple(names) != tuple(map(str, range(num_classes))):
            notes.append(f"{rows.where}: labels are matched to the class names {listed(names)}, which are integers.")
        return match_labels(labels.tolist(), names, rows, notes)
    if labels.dtype.kind not in "bOUSTV":
        raise ValueError(f"{rows.where} must hold class indices or names as labels. Got {labels.dtype}.")
    known = tuple(map(str, range(num_classes))) if names is None else names
    texts = labels.tolist()
    if names is None and labels.dtype.kind != "b" and ClassIndex(known).find(as_text(texts[0]) or "") is None:
        raise ValueError(
            f"{rows.at(0)}: the label is {texts[0]!r}, but the scores have no class names. Pass them in the order of "
            "the scores (--class-names, in Python `class_names`, such as `model.classes_`)."
        )
    return match_labels(texts, known, rows, notes)


def _column(labels: np.ndarray, num_classes: int, rows: Rows) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.shape[1] == num_classes:
        raise ValueError(
            f"{rows.where} must hold one label per sample, (N,). Got {labels.shape}. One-hot? Pass the argmax. Several "
            "labels for one sample are not supported."
        )
    if labels.ndim != 1:
        raise ValueError(f"{rows.where} must hold one label per sample, (N,). Got labels of the shape {labels.shape}.")
    if len(labels) != len(rows):
        raise ValueError(
            f"{rows.where} must hold one label per sample. Got {len(rows):,} rows of scores and {len(labels):,} labels."
        )
    return labels


def _whole(labels: np.ndarray, rows: Rows) -> np.ndarray:
    odd = ~np.isfinite(labels) | (labels != np.round(labels)) | (np.abs(labels) >= 2**53)
    if odd.any():
        row = int(np.flatnonzero(odd)[0])
        raise ValueError(f"{rows.at(row)}: labels must be class indices or names. Got {labels[row]}.")
    return labels.astype(np.int64)


def _within(labels: np.ndarray, num_classes: int, rows: Rows) -> np.ndarray:
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        ignored = " Drop samples to be ignored." if labels[row] == -100 else ""
        raise ValueError(
            f"{rows.at(row)}: the label {labels[row]} is not an index of the {num_classes} classes, 0 "
            f"to {num_classes - 1}.{ignored}"
        )
    return labels.astype(np.int64)
