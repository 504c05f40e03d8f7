"""Features of new samples in the order of training: by name where both have names, else by place."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from longtail.data.array_source import NO_NUMBERS
from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.table_file import refuse_repeated
from longtail.data.vector_columns import as_array, numbers_of_row, refuse_longer, with_numbers


def ordered_features(
    samples: Any,
    names: Sequence[str] | None,
    size: int,
    *,
    where: str = "`samples`",
    name_of: Callable[[int], str] = "sample {}".format,
) -> np.ndarray:
    """Features (N, D) as float32.

    Args:
        samples: rows of numbers, a pandas table, or rows with names (dictionaries, rows of a pandas table). What else
            such rows hold, such as a label, is ignored.
        names: (D,) names of the features in training; None if they had none.
        size: D.
        where: what errors call the samples.
        name_of: from an index to what errors call that sample.

    Raises:
        ValueError: a feature is missing, another number of features, or values that are not finite numbers.

    Example:
        >>> ordered_features([{"width": 2, "length": 7, "id": "a"}], ("length", "width"), 2)
        array([[7., 2.]], dtype=float32)
    """
    is_one = not getattr(samples, "ndim", 1)
    if not is_one and not len(samples):
        return np.empty((0, size), dtype=np.float32)
    rows = as_array(samples)
    if isinstance(samples, (list, tuple)):
        rows = [as_array(row) for row in samples]
    if hasattr(samples, "columns"):
        rows = with_numbers(samples)
        if names is not None:
            rows = rows[keys_of_features(where, rows.columns, names)]
    elif not is_one and all(hasattr(row, "keys") for row in samples):
        rows = _of_named_rows(samples, names, where)
    try:
        found = np.asarray(rows)
        if found.dtype.kind in NO_NUMBERS:
            raise TypeError
        features = np.array(found, dtype=np.float32, order="C")  # torch takes no reversed or read-only views
    except (TypeError, ValueError):
        got = _first_other(rows) or "other values"
        raise ValueError(f"{where} must hold numbers as features, without missing values. Got {got}.") from None
    if features.ndim != 2 or features.shape[1] != size:
        raise ValueError(
            f"{where} must hold {counted(size, 'feature', 'features')} each, as the run was trained on. "
            f"Got the shape {features.shape}."
        )
    odd = np.argwhere(~np.isfinite(features))
    if len(odd):
        row, place = odd[0].tolist()
        which = place if names is None else f"{place} ({names[place]})"
        raise ValueError(
            f"{where} must hold finite features. Got {features[row, place]} at {name_of(row)}, feature {which}. "
            "Fill in missing values as for training."
        )
    return features


def _first_other(rows: Any) -> str | None:
    """The first value of a pandas table that is no number, and its column."""
    for name, column in rows.items() if hasattr(rows, "columns") else ():
        for value in column:
            try:
                float(value)
            except (TypeError, ValueError):
                return f"{value!r:.60} in the column {name!r}"
    return None


def _of_named_rows(samples: Sequence[Any], names: Sequence[str] | None, where: str) -> list[list[Any]]:
    if names is None:
        raise ValueError(
            f"{where} must hold features in the order of training, without names: the run was trained on features "
            "that have none. Pass arrays."
        )
    numbers = [numbers_of_row(row) for row in samples]
    return [[row[key] for key in keys_of_features(where, row, names)] for row in numbers]


def note_on_order(where: str, columns: Iterable[Any]) -> str:
    """What is assumed of a table where training had no names.

    Example:
        >>> note_on_order("fish.csv", ["length", "width"])
        'fish.csv: the run has no names of features, so that columns are read in this order: length, width.'
    """
    names = first(list(map(str, columns)))
    return f"{where}: the run has no names of features, so that columns are read in this order: {names}."


def keys_of_features(where: str, given: Iterable[Any], names: Sequence[str]) -> list[Any]:
    """The given key of each name; keys, such as columns of a pandas table, may be numbers.

    Raises:
        ValueError: a name has no key, or two; a vector is longer than in training. The message calls the samples
            `where`.
    """
    keys = list(given)
    by_name = {str(key): key for key in keys}
    if len(by_name) < len(keys):
        refuse_repeated([name for name in map(str, keys) if name in set(names)], where)
    missing = [name for name in names if name not in by_name]
    if missing:
        vector = next((name for name in (name.rpartition("[")[0] for name in missing) if name in by_name), None)
        raise ValueError(
            f"{where} must have the features that the run was trained on. {len(missing)} of {len(names)} are "
            f"missing: {', '.join(missing[:5])}."
            + ("" if vector is None else f" {vector!r} does not hold a vector of one length, of numbers, in each row.")
        )
    refuse_longer(by_name, names, where)
    return [by_name[name] for name in names]
