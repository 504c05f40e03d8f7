"""Cost matrices from files and objects: by class names or, without names, by position."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longtail.arguments import refuse_masked
from longtail.data.tables.file import TABLES, read_table, with_named_rows
from longtail.data.text_file import kind_of
from longtail.repair.by_name import by_label, costs_in_class_order, listed
from longtail.repair.reading.array_files import read_arrays
from longtail.repair.reading.class_values import plain_numbers
from longtail.repair.reading.json_file import read_json
from longtail.repair.reading.memory import check_fits

FORMS = (
    "a CSV with class names in the first row and the first column, a JSON mapping of names to mappings, or a "
    "matrix of numbers in the order of the classes"
)


def read_costs(given: Any, names: Sequence[str], notes: list[str]) -> np.ndarray:
    """Read costs (C, C) in the order of the classes: row c, column j is the cost of predicting j for class c.

    Args:
        given: a mapping of names to mappings, a matrix, or a file of either.
        names: (C,).
        notes: a note is appended if a matrix without names is taken in the order of the classes.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file has none of these forms, or the names do not match.

    Example:
        >>> read_costs({"a": {"a": 0, "b": 2}, "b": {"b": 0, "a": 1}}, ["b", "a"], [])
        array([[0., 1.],
               [2., 0.]])
    """
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        if not path.is_file():
            raise FileNotFoundError(f"--cost must be a file that exists. Got {path}.")
        given = _of_file(path)
    given = by_label(given)
    refuse_masked("`cost`", given)
    if isinstance(given, Mapping):
        return costs_in_class_order(given, names)
    notes.append(f"cost: rows and columns are taken in the order of the classes: {listed(names)}.")
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`cost` must be {FORMS}. Got {given!r}.") from None


def _of_file(path: Path) -> Any:
    if path.suffix.lower() == ".json":
        return read_json(path)
    if path.suffix.lower() == ".npy":
        check_fits(path)
        return read_arrays(path)["scores"]
    numbers = plain_numbers(path)
    if numbers is not None:
        return numbers
    if kind_of(path) not in TABLES:
        raise ValueError(f"--cost must be {FORMS}. Got {path}.")
    frame = with_named_rows(read_table(path, lambda columns: columns[:1], []))
    first, *columns = frame.columns
    return {
        str(name): dict(zip(columns, row, strict=True))
        for name, row in zip(frame[first].tolist(), frame[columns].to_numpy().tolist(), strict=True)
    }
