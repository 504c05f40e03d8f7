"""Features of new samples in the order of training: by name where both have names, else by place."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from longtail.arguments import NO_NUMBERS, refuse_masked
from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.tables.file import refuse_repeated
from longtail.data.tables.vector_columns import as_array, numbers_of_row, refuse_longer, with_numbers


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
    rows = samples if is_one else _rows_of(samples, names, where, name_of)
    features = _as_floats(rows, names, where, name_of)
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


def _rows_of(samples: Any, names: Sequence[str] | None, where: str, name_of: Callable[[int], str]) -> Any:
    """The samples as an array, a pandas table or rows of numbers, in the order of training where there are names."""
    if hasattr(samples, "columns"):
        table = with_numbers(samples)
        return table if names is None else table[keys_of_features(where, table.columns, names)]
    if all(hasattr(row, "keys") for row in samples):
        return _of_named_rows(samples, names, where, name_of)
    return [as_array(row) for row in samples] if isinstance(samples, (list, tuple)) else as_array(samples)


def _as_floats(rows: Any, names: Sequence[str] | None, where: str, name_of: Callable[[int], str]) -> np.ndarray:
    refuse_masked(where, rows)
    try:
        found = np.asarray(rows)
        if found.dtype.kind not in NO_NUMBERS:
            return np.array(found, dtype=np.float32, order="C")  # torch takes no reversed or read-only views
        got = str(found.dtype)
    except (TypeError, ValueError):
        got = _not_a_number(rows, names, name_of)
    raise ValueError(f"{where} must hold numbers as features, without missing values. Got {got}.")


def _not_a_number(rows: Any, names: Sequence[str] | None, name_of: Callable[[int], str]) -> str:
    """The first value that is no number, and where it is."""
    columns = getattr(rows, "columns", names)
    table = rows.to_numpy(dtype=object) if hasattr(rows, "to_numpy") else rows
    for index, row in enumerate(table):
        for place, value in enumerate(row if np.iterable(row) else [row]):
            try:
                float(value)
            except (TypeError, ValueError):
                which = f"{place}" if columns is None else f"{place} ({columns[place]})"
                all_taken = "; without names in training, all columns are features" if names is None else ""
                return f"{value!r:.40} at {name_of(index)}, feature {which}{all_taken if columns is not None else ''}"
    return f"different numbers of them: {first([str(size) for size in sorted({np.size(row) for row in table})])}"


def _of_named_rows(
    samples: Sequence[Any], names: Sequence[str] | None, where: str, name_of: Callable[[int], str]
) -> list[list[Any]]:
    if names is None:
        raise ValueError(
            f"{where} must hold features in the order of training, without names: the run was trained on features "
            "that have none. Pass arrays."
        )
    numbers = [numbers_of_row(row) for row in samples]
    return [
        [row[key] for key in keys_of_features(where, row, names, at=f" ({name_of(index)})")]
        for index, row in enumerate(numbers)
    ]


def note_on_order(where: str, columns: Iterable[Any]) -> str:
    """What is assumed of a table where training had no names.

    Example:
        >>> note_on_order("fish.csv", ["length", "width"])
        'fish.csv: the run has no names of features, so that columns are read in this order: length, width.'
    """
    names = first(list(map(str, columns)))
    return f"{where}: the run has no names of features, so that columns are read in this order: {names}."


def keys_of_features(where: str, given: Iterable[Any], names: Sequence[str], *, at: str = "") -> list[Any]:
    """The given key of each name; keys, such as columns of a pandas table, may be numbers.

    Args:
        where: what holds them, for messages.
        given: the keys.
        names: the features in training.
        at: the sample, for messages.

    Raises:
        ValueError: a name has no key, or two; a vector is longer than in training. The message calls the samples
            `where`.
    """
    keys = list(given)
    by_name = {str(key): key for key in keys}
    if len(by_name) < len(keys):
        taken = set(names)
        refuse_repeated([name for name in map(str, keys) if name in taken], where)
    missing = [name for name in names if name not in by_name]
    if missing:
        raise ValueError(
            f"{where} must have the features that the run was trained on. {len(missing)} of {len(names)} are "
            f"missing: {', '.join(missing[:5])}{at}.{_no_vector(by_name, missing)}"
        )
    refuse_longer(by_name, names, where)
    return [by_name[name] for name in names]


def _no_vector(given: Iterable[str], missing: Sequence[str]) -> str:
    """A hint where the vectors that hold the missing features are there, but as something else."""
    vectors = {name.rpartition("[")[0] for name in missing if name.endswith("]")}
    found = next((name for name in given if name in vectors), None)
    if found is None:
        return ""
    return (
        f" {found!r} must hold vectors of numbers, all of one length: Parquet and JSON lines keep them, CSV does not."
    )
