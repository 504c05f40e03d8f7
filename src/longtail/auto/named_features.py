"""Features of new samples in the order of training: by name where both have names, else by place."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from longtail.data.counted import counted
from longtail.data.vector_columns import numbers_of_row, with_numbers


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
    if not len(samples):
        return np.empty((0, size), dtype=np.float32)
    rows = samples
    if hasattr(samples, "columns"):
        rows = with_numbers(samples)
        if names is not None:
            rows = rows[keys_of_features(where, rows.columns, names)]
    elif all(hasattr(row, "keys") for row in samples):
        rows = _of_named_rows(samples, names, where)
    try:
        features = np.array(rows, dtype=np.float32, order="C")  # torch takes no reversed or read-only views
    except (TypeError, ValueError) as error:
        found = str(error).rstrip(".")
        raise ValueError(
            f"{where} must hold numbers as features, without missing values. Got other values: {found}."
        ) from None
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


def _of_named_rows(samples: Sequence[Any], names: Sequence[str] | None, where: str) -> list[list[Any]]:
    if names is None:
        raise ValueError(
            f"{where} must hold features in the order of training, without names: the run was trained on features "
            "that have none. Pass arrays."
        )
    numbers = [numbers_of_row(row) for row in samples]
    return [[row[key] for key in keys_of_features(where, row, names)] for row in numbers]


def keys_of_features(where: str, given: Iterable[Any], names: Sequence[str]) -> list[Any]:
    """The given key of each name; keys, such as columns of a pandas table, may be numbers.

    Raises:
        ValueError: a name has no key; the message calls the samples `where`.
    """
    by_name = {str(key): key for key in given}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise ValueError(
            f"{where} must have the features that the run was trained on. {len(missing)} of {len(names)} are "
            f"missing: {', '.join(missing[:5])}."
        )
    return [by_name[name] for name in names]
