"""Finding the label column, and the class names known from it."""

from collections.abc import Iterable, Sequence

import numpy as np

from longtail.data.class_names import as_text
from longtail.repair.by_name import listed, spellings
from longtail.repair.reading.columns import Table
from longtail.repair.reading.options import Reading
from longtail.repair.reading.usual_names import LABELS


def find_label(names: Sequence[str], table: Table, reading: Reading) -> str | None:
    """The label column: the one given, or the one with a usual name; None if labels are in a separate file.

    If several columns have usual names, the label is the one whose values include the names of all others, which are
    then classes.

    Raises:
        ValueError: there is no such column, or several.
    """
    if reading.labels is not None:
        return None
    if reading.label is not None:
        return reading.label
    taken = {reading.weight, reading.group, reading.id, *(reading.class_names or ())}
    found = [name for name in names if name.lower() in LABELS and name not in taken]
    if not found:
        raise ValueError(
            f"{table.rows.where} must have a column of labels, called {', '.join(LABELS[:7])}; else name it "
            f"with --label. Its columns: {listed(table.names)}."
        )
    alone = [
        name for name in found if set(found) - {name} <= _spelled(table.cells(name)) | _spelled(reading.count_names)
    ]
    if len(found) > 1 and len(alone) != 1:
        raise ValueError(
            f"{table.rows.where} has several columns that may be the label: {listed(found)}. Name it with "
            f"--label {found[0]}, and ignore the other one with --ignore {found[1]} or, if it is a class, list "
            "all classes with --class-names."
        )
    return alone[0] if alone else found[0]


def known_classes(label: str | None, table: Table, reading: Reading) -> list[set[str]]:
    """The spellings of each class in the labels or training counts."""
    cells = np.asarray([] if reading.labels is None else reading.labels, dtype=object).ravel().tolist()
    if label is not None:
        cells = table.cells(label)
    texts = dict.fromkeys(as_text(cell) for cell in (*cells, *reading.count_names))
    return [set(spellings(text)) for text in texts if text is not None]


def _spelled(cells: Iterable[object]) -> set[str]:
    texts = {as_text(cell) for cell in cells}
    return {spelling for text in texts if text is not None for spelling in spellings(text)}
