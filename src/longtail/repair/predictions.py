"""Reading labelled predictions."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longtail.arguments import check_choice
from longtail.data.tables.row_order import refuse_another_order
from longtail.metrics.groups import USUAL, GroupBounds
from longtail.repair.calibration import SMALLEST
from longtail.repair.processes import ALL, ONE, Processes, Share
from longtail.repair.reading.class_list import class_list
from longtail.repair.reading.class_values import in_order_of, read_values
from longtail.repair.reading.kinds import as_checked_logits, check_own_class
from longtail.repair.reading.label_files import read_labels
from longtail.repair.reading.options import Reading
from longtail.repair.reading.sources import is_paths, of_object, of_paths, paths_of
from longtail.repair.reading.usual_names import KINDS


@dataclass(frozen=True, eq=False)
class Predictions:
    """The result of `read_predictions`: labelled predictions of a model.

    Attributes:
        logits: (N, C) logits, -inf for masked classes; or the logarithms of probabilities. Of several processes that
            share the samples, each holds some of them; all else is of all samples.
        target: (N,) class indices.
        class_names: (C,) or None.
        class_counts: (C,) training samples, or None.
        groups: (N,) or None.
        sample_weight: (N,) or None.
        kind: "logits" or "probabilities": what was read.
        floor: the value that replaced probabilities of 0.
        notes: assumptions and changes made in reading.
        share: which of the samples `logits` holds.
        bounds: of the groups many, medium and few: those of a run, or the usual ones.

    Example:
        >>> probability = np.array([[1.0, 0.0], [0.25, 0.75]])
        >>> found = read_predictions((probability, ["cat", "lynx"]), kind="probabilities", class_names=["cat", "lynx"])
        >>> found.target, found.class_names
        (array([0, 1]), ('cat', 'lynx'))
        >>> np.exp(found.logits).round(3).tolist(), found.floor  # half the smallest probability above 0
        ([[1.0, 0.125], [0.25, 0.75]], 0.125)
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
    share: Share = ALL
    bounds: GroupBounds = USUAL


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
    processes: Processes = ONE,
) -> Predictions:
    """Read predictions and their labels; no code in a file is executed.

    A table (CSV, TSV, Parquet, JSON lines; also compressed) has one row per sample and one column of scores per class.
    A column holds scores only if its name is known from the labels, `counts`, `class_names` or `classes`, or if the
    numeric columns are called 0 to C − 1 or 1 to C. Labels in tables are names. Integer labels in arrays are indices,
    unless all class names are integers. Messages count rows from 1, without the header.

    Args:
        source: a path (of a table, `.npz`, `.npy`, `.pt`, or a run folder), a pattern or several paths, "-" for a table
            on standard input; or a mapping of arrays, a pandas table, an object with `predictions` and `label_ids`
            (as `trainer.predict` returns), a pair (scores, labels), or scores (N, C). Scores (N,) are those of the
            second of two classes.
        labels: (N,) labels, or a file of them, if `source` has no labels.
        kind: "logits" or "probabilities". It is never guessed.
        part: for a run folder, the set to read.
        class_names: (C,) class names in the wanted order; or a comma-separated text, or a file with one name per line.
            Columns and arrays with names are reordered; others are assumed to be in this order.
        classes: pattern of the score columns with one `*`, which stands for the class name.
        ignore: columns to ignore; patterns are allowed.
        label: column or array of the labels, if its name is not one of the usual ones.
        weight: column or array of sample weights.
        group: column or array of groups.
        id: column of identifiers, which is not used.
        counts: training samples per class: a mapping from class names, (C,) numbers in the order of the classes, a file
            of either (JSON, CSV, text), or the training data in a form that `read_data` reads.
        processes: that torchrun started; each reads its share of the files.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: a file is of another kind, damaged or too large; a column has no role, a label is not a class, or
            the scores are not of the given kind. The message names the file, the row, the column and the value.
        TypeError: a source of another type.
        ModuleNotFoundError: a package needed to read the file is missing.

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
    refuse_another_order(source, labels, "labels")
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
    if is_paths(source):
        raw = of_paths(paths_of(source), reading, part, notes, processes)
    else:
        raw = of_object(source, reading, notes)
    found, share = raw.named_kind or kind, raw.share
    logits, floor = as_checked_logits(raw.scores, found, raw.rows, raw.class_names, notes, share)
    check_own_class(logits, raw.target[share.own(len(logits))], raw.rows, raw.class_names, share.first)
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
        share,
        raw.bounds,
    )


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _labels(labels: Any, column: str | None, notes: list[str]) -> Any:
    if labels is None:
        return None
    first = labels[0] if is_paths(labels) and isinstance(labels, (list, tuple)) else None
    if not is_paths(labels) or (first is not None and not os.path.isfile(first)):  # noqa: PTH113, of any length
        return np.asarray(labels)
    parts = [read_labels(path, column, notes) for path in paths_of(labels, "labels")]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
