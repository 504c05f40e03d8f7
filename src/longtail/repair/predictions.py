"""Saved predictions, checked: logits or probabilities, labels, and what else is known."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from longtail.arguments import check_choice
from longtail.repair.calibration import SMALLEST
from longtail.repair.reading.class_list import class_list
from longtail.repair.reading.class_values import in_order_of, read_values
from longtail.repair.reading.kinds import as_checked_logits
from longtail.repair.reading.label_files import read_labels
from longtail.repair.reading.options import Reading
from longtail.repair.reading.sources import is_paths, of_object, of_paths, paths_of

KINDS = ("logits", "probabilities")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Labelled predictions of a model, ready to be diagnosed.

    Attributes:
        logits: (N, C); of probabilities their logarithms.
        target: (N,) class indices.
        class_names: (C,) or None.
        class_counts: (C,) training samples, or None.
        groups: (N,) or None.
        sample_weight: (N,) or None.
        kind: "logits" or "probabilities": what was read.
        floor: what took the place of probabilities of 0.
        notes: what was assumed or changed in reading.
    """

    logits: np.ndarray
    target: np.ndarray
    class_names: tuple[str, ...] | None = None
    class_counts: np.ndarray | None = None
    groups: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    kind: str = "logits"
    floor: float = SMALLEST
    notes: tuple[str, ...] = ()


def read_predictions(
    source: Any,
    *,
    labels: Any = None,
    kind: str = "logits",
    part: str = "validation",
    class_names: Sequence[object] | str | os.PathLike[str] | None = None,
    classes: str | None = None,
    ignore: Sequence[str] | str = (),
    label: str | None = None,
    weight: str | None = None,
    group: str | None = None,
    id: str | None = None,
    counts: Any = None,
) -> Predictions:
    """Read predictions and their labels; nothing in a file is executed.

    A table (CSV, TSV, Parquet, JSON lines; compressed too) has one row a sample and one column of scores a class. A
    column is a class only if its name is known: from the labels, `counts`, `class_names` or `classes`, or because the
    columns are called 0 to C − 1 or 1 to C. Labels of tables are names. Integer labels of arrays are indices, unless
    all class names are integers. Messages count rows from 1, without the header.

    Args:
        source: a path (of a table, `.npz`, `.npy`, `.pt`, or a run folder), a pattern or several paths, "-" for a table
            on standard input; or a mapping of arrays, a pandas table, an object with `predictions` and `label_ids`
            (as `trainer.predict` returns), a pair (scores, labels), or scores (N, C). Scores (N,) are those of the
            second of two classes.
        labels: (N,) labels, or a file of them, where `source` holds scores alone.
        kind: "logits" or "probabilities": what the scores are. It is never guessed.
        part: of a run folder: the set to judge by.
        class_names: (C,) names of the classes in the order that is wanted; a text with commas, or a file with a name a
            line. Columns and arrays that have names are put into this order; others are taken to be in it.
        classes: the columns of classes as a pattern with one `*`, which stands for the name of the class.
        ignore: columns to leave out; patterns are allowed.
        label: column or array of the labels, where its name is unusual.
        weight: column or array of sample weights.
        group: column or array of groups.
        id: column of identifiers, which is left out.
        counts: training samples of each class: a mapping of names to numbers, (C,) numbers in the order of the classes,
            a file of either (JSON, CSV, text), or the training data themselves as `read_data` takes them.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another kind, damaged or too large; columns without a role, labels that are no class,
            scores that are not what `kind` says. The message names the file, the row, the column and the value.
        TypeError: a source of another type.
        ModuleNotFoundError: a package that reads this kind of file is missing.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[2.0, 0.5], [0.1, 1.5], [1.0, 0.0]])
        >>> found = read_predictions((logits, ["cat", "dog", "cat"]), class_names=["cat", "dog"])
        >>> found.target
        array([0, 1, 0])
    """
    check_choice("kind", kind, KINDS)
    notes: list[str] = []
    given = None if counts is None else read_values("counts", counts, notes)
    reading = Reading(
        kind=kind,
        class_names=None if class_names is None else class_list(class_names),
        classes=classes,
        ignore=_split(ignore) if isinstance(ignore, str) else tuple(ignore),
        label=label,
        weight=weight,
        group=group,
        id=id,
        count_names=tuple(map(str, given)) if isinstance(given, Mapping) else (),
        labels=_labels(labels, label, notes),
    )
    raw = of_paths(paths_of(source), reading, part, notes) if is_paths(source) else of_object(source, reading, notes)
    found = raw.named_kind or kind
    logits, floor = as_checked_logits(raw.scores, found, raw.rows, raw.class_names, notes)
    names = raw.class_names or tuple(map(str, range(logits.shape[1])))
    return Predictions(
        logits,
        raw.target,
        raw.class_names,
        raw.class_counts if given is None else in_order_of("counts", given, names, notes),
        raw.groups,
        raw.sample_weight,
        found,
        floor,
        tuple(dict.fromkeys(notes)),
    )


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _labels(labels: Any, column: str | None, notes: list[str]) -> Any:
    if labels is None:
        return None
    if not is_paths(labels) or (isinstance(labels, (list, tuple)) and not Path(labels[0]).is_file()):
        return np.asarray(labels)
    parts = [read_labels(path, column, notes) for path in paths_of(labels, "labels")]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
