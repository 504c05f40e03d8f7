"""Labels from a separate file."""

from pathlib import Path

import numpy as np

from longtail.data.list_source import LISTS
from longtail.data.tables.file import DELIMITED, TABLES, read_table
from longtail.data.text_file import kind_of, read_text
from longtail.repair.by_name import listed
from longtail.repair.reading.array_files import plain, read_arrays
from longtail.repair.reading.json_file import read_json
from longtail.repair.reading.memory import check_fits
from longtail.repair.reading.usual_names import LABELS


def read_labels(path: Path, column: str | None, notes: list[str]) -> np.ndarray:
    """Read labels (N,): `.npy`, `.npz` or `.pt`, one label per line, JSON, or a column of a table.

    Args:
        path: path of the file.
        column: name of the label column or array; by default one of the usual names.
        notes: assumptions are appended here.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: no labels were found.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`labels` must be a file that exists. Got {path}.")
    kind = kind_of(path)
    if kind == ".json":
        return _json(path)
    if kind in LISTS or (kind in DELIMITED and _is_one_column(path)):
        return _lines(path, column)
    if kind in TABLES:
        check_fits(path)
        frame = read_table(path, list, notes)
        return np.asarray(frame[_one_of(list(map(str, frame.columns)), column, path)], dtype=object)
    check_fits(path)
    content = read_arrays(path)
    if list(content) == ["scores"]:
        return np.asarray(plain(content["scores"], str(path)))
    return np.asarray(content[_one_of(list(content), column, path)])


def _one_of(names: list[str], column: str | None, path: Path) -> str:
    if column is not None:
        if column not in names:
            raise ValueError(f"--label must name labels in {path}. Got {column!r}; it holds {listed(names)}.")
        return column
    found = [name for name in names if name.lower() in LABELS]
    if len(found) == 1 or len(names) == 1:
        return (found or names)[0]
    raise ValueError(f"`labels` must have one column of labels. Got {path} with {listed(names)}. Name it with --label.")


def _is_one_column(path: Path) -> bool:
    return not any(sign in read_text(path).partition("\n")[0] for sign in ",;\t|")


def _lines(path: Path, column: str | None) -> np.ndarray:
    lines = [line.strip().strip('"') for line in read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if lines and (lines[0].lower() in LABELS or lines[0] == column):
        del lines[0]
    if not lines:
        raise ValueError(f"`labels` must hold one label per line. Got {path}, which is empty.")
    return np.array(lines, dtype=object)


def _json(path: Path) -> np.ndarray:
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise ValueError(f"`labels` must hold a list of labels. Got {path} with {type(content).__name__}.")
    return np.array(content, dtype=object)
