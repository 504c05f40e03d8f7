"""Predictions from named arrays: a file of arrays, a mapping, a pair, the output of a trainer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from longtail.arguments import refuse_masked
from longtail.array_headers import ArrayFile
from longtail.data.class_names import as_text
from longtail.posthoc.blocks import row_blocks
from longtail.repair.by_name import ClassIndex, by_label, in_class_order, listed, nearest
from longtail.repair.reading.array_files import plain
from longtail.repair.reading.labels import as_indices
from longtail.repair.reading.options import Reading
from longtail.repair.reading.raw import RawPredictions, Rows
from longtail.repair.reading.temporary_array import temporary_array
from longtail.repair.reading.usual_names import GROUPS, KINDS, LABELS, SCORES, WEIGHTS


def of_content(
    content: Mapping[str, Any], rows: Rows | str, reading: Reading, notes: list[str], *, indices: bool = False
) -> RawPredictions:
    """Read arrays called `logits`, `probabilities` or `scores`, `target`, `class_names`, ….

    Args:
        content: the arrays by name.
        rows: the origin of the rows, or a name for it.
        reading: options.
        notes: assumptions are appended here.
        indices: whether targets are indices even if all class names are integers.

    Raises:
        ValueError: scores or labels are missing, shapes do not match, or a label is not a class.
    """
    where = rows.where if isinstance(rows, Rows) else rows
    name, kind = _scores(content, where, reading.kind)
    label = None if reading.labels is not None else _named(content, reading.label, LABELS, "label", where)
    if isinstance(content, ArrayFile):
        _check_rows(content, name, label, reading, where)
    scores = content[name]
    values = two_columns(_numeric(plain(scores, where), where), kind or reading.kind)
    rows = rows if isinstance(rows, Rows) else Rows(((rows, len(values)),))
    own = _texts(content.get("class_names"), where)
    names = reading.class_names if own is None else own
    if names is not None and len(names) != values.shape[1]:
        raise ValueError(_wrong_number(names, values.shape[1], where))
    labels = _labels(content, label, where, reading)
    known = None if indices else names
    raw = RawPredictions(
        values,
        as_indices(plain(labels, where), known, values.shape[1], rows, notes),
        rows,
        kind,
        names,
        _counts(content.get("class_counts"), names, where, values.shape[1]),
        _groups(_by_name(content, reading.group, GROUPS, "group", where), rows),
        _vector("sample_weight", _by_name(content, reading.weight, WEIGHTS, "weight", where), where, len(rows)),
    )
    return raw if own is None or reading.class_names is None else in_order(raw, reading.class_names)


def in_order(raw: RawPredictions, names: Sequence[str]) -> RawPredictions:
    """Reorder the classes by name.

    Raises:
        ValueError: the classes differ.
    """
    own = raw.class_names
    assert own is not None
    if own == tuple(names):
        return raw
    index, wanted = ClassIndex(own), ClassIndex(names)
    missing = [name for name in wanted.places if name not in index.places]
    extra = [name for name in index.places if name not in wanted.places]
    if missing or extra:
        known = f"It lacks {listed(missing)}; most similar: {nearest(missing[0], own)}." if missing else ""
        more = f" It also has {listed(extra)}." if extra else ""
        raise ValueError(f"{raw.rows.where} must hold the classes {listed(names)}, in any order. {known}{more}")
    order = np.array([index.places[name] for name in wanted.places])
    place = np.argsort(order)
    return replace(
        raw,
        scores=raw.scores[:, order],
        target=place[raw.target],
        class_names=tuple(names),
        class_counts=None if raw.class_counts is None else raw.class_counts[order],
    )


def _check_rows(content: ArrayFile, name: str, label: str | None, reading: Reading, where: str) -> None:
    """Compare the numbers of scores and labels before any array is read."""
    if label is None and reading.labels is None:
        return
    rows = content.shapes[name][:1]
    labels = (len(reading.labels),) if label is None else content.shapes[label][:1]
    if rows != labels:
        raise ValueError(
            f"{where} must hold one label per row. Got the shape {content.shapes[name]} of {name} and "
            f"{labels[0] if labels else 1:,} labels."
        )


def _scores(content: Mapping[str, Any], where: str, kind: str) -> tuple[str, str | None]:
    """The name of the scores, and their kind if the name says it."""
    named = [name for name in KINDS if name in content]
    if len(named) == 2:
        return kind, kind
    other = next((name for name in SCORES if name not in KINDS and name in content), None)
    if other is not None and not named:
        return other, None
    if not named:
        raise ValueError(f"{where} must hold {' or '.join(KINDS)}. It holds {', '.join(content) or 'nothing'}.")
    if named[0] != kind and kind == "probabilities":
        raise ValueError(f"{where} must hold probabilities, as `kind` (--kind) says. It holds {named[0]}.")
    return named[0], named[0]


def _numeric(scores: Any, where: str) -> np.ndarray:
    values: np.ndarray = np.asanyarray(scores)
    refuse_masked(f"the scores of {where}", values)
    if values.dtype.kind not in "fiu" or values.ndim not in (1, 2) or not values.size:
        flat = " One row per token? Flatten to (tokens, C), and drop ignored tokens." if values.ndim == 3 else ""
        raise ValueError(
            f"{where} must hold numbers of the shape (N, C), or (N,) for two classes. Got {values.shape} "
            f"{values.dtype}.{flat}"
        )
    if values.dtype in (np.float32, np.float64):
        return values
    if isinstance(values, np.memmap) and values.ndim == 2:
        return _precise(values)
    return values.astype(np.float64)


def _precise(mapped: np.ndarray) -> np.ndarray:
    """Convert a memory-mapped array of half precision or integers, in blocks, to a temporary file."""
    whole = temporary_array((mapped.shape[0], mapped.shape[1]), np.promote_types(mapped.dtype, np.float32))
    for block in row_blocks(*mapped.shape):
        whole[block] = mapped[block]
    return np.asanyarray(whole)


def two_columns(values: np.ndarray, kind: str) -> np.ndarray:
    """Scores (N, C); one score per sample is the margin or the probability of the second of two classes."""
    if values.ndim == 2 and values.shape[1] > 1:
        return values
    second = np.asarray(values).ravel()
    if kind == "probabilities" and ((second < 0) | (second > 1)).any():
        raise ValueError(
            f"Probabilities of the second of two classes must lie in [0, 1]. Got {second.min():g} to "
            f"{second.max():g}. Percent? Divide by 100. Logits? Then say --kind logits."
        )
    return np.stack([1 - second if kind == "probabilities" else np.zeros_like(second), second], axis=1)


def _labels(content: Mapping[str, Any], name: str | None, where: str, reading: Reading) -> Any:
    if reading.labels is not None:
        found = [name for name in LABELS if name in content]
        if found:
            raise ValueError(f"`labels` must not be given: {where} already has labels, called {found[0]}.")
        return reading.labels
    if name is None:
        raise ValueError(
            f"{where} must hold labels, called {' or '.join(LABELS[:4])}, or pass `labels` (--labels). It holds "
            f"{', '.join(content)}."
        )
    return content[name]


def _by_name(content: Mapping[str, Any], name: str | None, usual: Sequence[str], option: str, where: str) -> Any:
    found = _named(content, name, usual, option, where)
    return None if found is None else content[found]


def _named(content: Mapping[str, Any], name: str | None, usual: Sequence[str], option: str, where: str) -> str | None:
    if name is not None:
        if name not in content:
            raise ValueError(f"--{option} must name an array of {where}. Got {name!r}; it holds {', '.join(content)}.")
        return name
    of_file = isinstance(content, ArrayFile)  # whose entries are never `None`, and are not read before they are needed
    found = [own for own in usual if own in content and (of_file or content[own] is not None)]
    if len(found) > 1:
        raise ValueError(
            f"{where} has several arrays for --{option}: {listed(found)}. Choose one: --{option} {found[0]}."
        )
    return found[0] if found else None


def _wrong_number(names: Sequence[str], columns: int, where: str) -> str:
    pairs = len(names) * (len(names) - 1) // 2
    advice = " One column per pair of classes? Use decision_function_shape='ovr'." if columns == pairs else ""
    return f"`class_names` must hold one name for each of the {columns} columns of {where}. Got {len(names)}.{advice}"


def _texts(names: Any, where: str) -> tuple[str, ...] | None:
    if names is None:
        return None
    values = np.asarray(names, dtype=object).tolist()
    texts = [as_text(value) for value in values] if isinstance(values, list) else [None]
    if None in texts:
        raise ValueError(f"{where} must hold a list of class names. Got {values!r}.")
    return tuple(map(str, texts))


def _counts(given: Any, names: Sequence[str] | None, where: str, num_classes: int) -> np.ndarray | None:
    given = by_label(given)
    if isinstance(given, Mapping):
        return in_class_order("class_counts", given, names or tuple(map(str, range(num_classes))))
    return _vector("class_counts", given, where, num_classes)


def _vector(name: str, values: Any, where: str, length: int) -> np.ndarray | None:
    if values is None:
        return None
    refuse_masked(f"the {name} of {where}", values)
    try:
        array = np.asarray(plain(values, where))
        array = array.astype(np.float64) if array.dtype.kind == "O" else array
        if array.dtype.kind not in "iuf":
            raise TypeError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{where} must hold numbers as {name}. Got other values.") from None
    array = array.ravel() if array.ndim == 2 and 1 in array.shape else array
    if array.shape != (length,):
        raise ValueError(f"{where} must hold {length} numbers as {name}. Got the shape {array.shape}.")
    return array


def _groups(groups: Any, rows: Rows) -> np.ndarray | None:
    if groups is None:
        return None
    refuse_masked(f"the groups of {rows.where}", groups)
    values = np.asarray(groups)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (len(rows),):
        raise ValueError(f"{rows.where} must hold one group per sample, ({len(rows)},). Got {values.shape}.")
    texts = [as_text(group) for group in values.tolist()]
    if None in texts:
        raise ValueError(f"{rows.at(texts.index(None))}: the group is empty")
    return np.array(texts)
