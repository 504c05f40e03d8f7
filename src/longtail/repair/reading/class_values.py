"""Values per class (training counts, priors) from files and objects: by name or, without names, by position."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from longtail.arguments import refuse_masked
from longtail.data.read import read_data
from longtail.data.tables.columns import FILE_COLUMNS
from longtail.data.tables.file import TABLES, read_table, with_named_rows
from longtail.data.text_file import kind_of, read_text
from longtail.repair.by_name import by_label, in_class_order, listed
from longtail.repair.reading.array_files import read_arrays
from longtail.repair.reading.json_file import read_json
from longtail.repair.reading.memory import check_fits
from longtail.repair.reading.usual_names import UNNAMED

Values = Mapping[Any, Any] | np.ndarray


def read_values(what: str, given: Any, notes: list[str]) -> Values:
    """Read one value per class: a mapping from names, or an array (C,) without names.

    Args:
        what: name of the argument in messages; for "counts", `given` may also be training data.
        given: a mapping, numbers, or a file: JSON, a table with two columns (name, number), a text file of numbers,
            `.npy`.
        notes: assumptions are appended here.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file has none of these forms.

    Example:
        >>> read_values("counts", [90, 10], [])
        array([90., 10.])
    """
    given = by_label(given)
    if isinstance(given, Mapping):
        return given
    if not isinstance(given, (str, os.PathLike)):
        return _numbers(what, given)
    path = Path(given)
    if not path.exists():
        raise FileNotFoundError(f"--{what} must be a file that exists. Got {path}.")
    numbers = None if path.is_dir() else _bare(what, path)
    if numbers is not None:
        return numbers
    if path.suffix.lower() == ".json":
        return _json(what, path)
    pairs = None
    if path.is_file() and kind_of(path) in TABLES:
        check_fits(path)
        pairs = _pairs(path)
    if pairs is not None:
        return pairs
    if what == "counts":
        return _of_training_data(path, notes)
    raise ValueError(f"--{what} must be {_FORMS}. Got {path}.")


_FORMS = (
    "a JSON mapping of names to numbers, a CSV with two columns (name, number), or numbers in the order of the classes"
)


def in_order_of(what: str, given: Values, names: Sequence[str], notes: list[str]) -> np.ndarray:
    """(C,) values in the order of the classes; a note says how values without names were assigned.

    Raises:
        ValueError: the number of values or the names do not match the classes.
    """
    if isinstance(given, Mapping):
        return in_class_order(what, given, names)
    if given.shape != (len(names),):
        raise ValueError(f"`{what}` must hold one number for each of the {len(names)} classes. Got {given.shape}.")
    pairs = [f"{name!r} {number:g}" for name, number in zip(names, given.tolist(), strict=True)]
    more = f", … ({len(pairs)} classes)" if len(pairs) > 12 else ""
    notes.append(
        f"{what}: taken in the order of the classes: {', '.join(pairs[:12])}{more}. "
        "A mapping from class names is safer."
    )
    return given


def _numbers(what: str, given: Any) -> np.ndarray:
    refuse_masked(f"`{what}`", given)
    try:
        values = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
        if values.dtype.kind == "c":
            raise TypeError
        return values.astype(np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`{what}` must be {_FORMS}. Got {given!r:.80}.") from None


def plain_numbers(path: Path) -> np.ndarray | None:
    """(rows, columns) of a text of numbers, separated by commas or spaces; None if it holds anything else."""
    try:
        return np.loadtxt(read_text(path).replace(",", " ").splitlines(), ndmin=2)
    except ValueError:
        return None


def _bare(what: str, path: Path) -> Values | None:
    """Numbers without names, or pairs of a name and a value if the names are numbers, too."""
    if path.suffix.lower() == ".npy":
        check_fits(path)
        return _numbers(what, read_arrays(path)["scores"])
    if path.suffix.lower() in (".npz", ".json", ".parquet", ".pt"):
        return None
    numbers = plain_numbers(path)
    if numbers is None:
        return None
    if 1 in numbers.shape:
        return numbers.ravel()
    return dict(zip(numbers[:, 0].tolist(), numbers[:, 1].tolist(), strict=True)) if numbers.shape[1] == 2 else None


def _json(what: str, path: Path) -> Values:
    content = read_json(path)
    if isinstance(content, dict):
        return content
    if isinstance(content, list):
        return _numbers(what, content)
    raise ValueError(f"--{what} must be {_FORMS}. Got {path}.")


def _pairs(path: Path) -> dict[str, Any] | None:
    """A table with two columns, names and numbers, with or without a header."""
    frame = with_named_rows(read_table(path, list, []))
    columns = [str(name) for name in frame.columns]
    if len(columns) != 2 or columns[0].lower() in FILE_COLUMNS:
        return None
    rows = [(str(name), value) for name, value in frame.astype(object).to_numpy().tolist()]
    if _is_number(columns[1]) and not UNNAMED.fullmatch(columns[0]):  # pandas heads a Series with ",0"
        rows.insert(0, (columns[0], columns[1]))
    if not all(_is_number(value) for _, value in rows):
        return None
    times = Counter(name for name, _ in rows)
    repeated = sorted(name for name, number in times.items() if number > 1)
    if repeated:
        raise ValueError(f"{path} must name each class once. Got {listed(repeated)} several times.")
    return {name: float(value) for name, value in rows}


def _is_number(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError, OverflowError):
        return False


def _of_training_data(path: Path, notes: list[str]) -> dict[str, float]:
    train = read_data(path).train
    notes.append(f"training counts are taken from {path}: {len(train.target):,} samples.")
    return dict(zip(train.class_names, train.class_counts.tolist(), strict=True))
