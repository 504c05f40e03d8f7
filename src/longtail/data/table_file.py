"""Tables from files, read by pandas: CSV and TSV (compressed too), Parquet, JSON lines."""

import importlib
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from longtail.data.text_file import kind_of, read_text

DELIMITED = (".csv", ".tsv", ".tab")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")
TABLES = (*DELIMITED, *JSON_LINES, *PARQUET)
Choose = Callable[[list[str]], list[str]]
EMPTY = ["", "NA", "N/A", "nan", "NaN", "null", "NULL", "None"]


def read_table(path: Path, text_columns: Choose, notes: list[str]) -> Any:
    """Read a table; strings such as "null", "NA" and "007" stay strings in columns of text.

    Args:
        path: of the table.
        text_columns: from the names of all columns, those that are kept as they are written.
        notes: what was guessed is added here.

    Raises:
        ModuleNotFoundError: pandas, or for Parquet pyarrow, is missing.
        ValueError: no table, no row.
    """
    kind = kind_of(path)
    if kind in PARQUET:
        frame = _parquet(path)
    elif kind in JSON_LINES:
        frame = _json_lines(path)
    else:
        frame = _delimited(path, text_columns, notes)
    if not len(frame):
        raise ValueError(f"{path} must hold at least one row. Got none.")
    return frame


class RepeatedColumnError(ValueError):
    """A table names a column twice."""


def refuse_repeated(names: Sequence[str], where: str) -> None:
    """Raise where two columns have one name: a second label would be read as a feature.

    Raises:
        RepeatedColumnError: two columns of one name.
    """
    repeated = next((name for number, name in enumerate(names) if name and name in names[:number]), None)
    if repeated is not None:
        raise RepeatedColumnError(f"{where} must name each column once. {repeated!r} stands there twice.")


def pandas() -> Any:
    """The package pandas.

    Raises:
        ModuleNotFoundError: it is missing; says how to install it.
    """
    try:
        import pandas
    except ModuleNotFoundError:
        raise ModuleNotFoundError("Tables are read by pandas: install longtail with its extra `data`") from None
    return pandas


def _delimited(path: Path, text_columns: Choose, notes: list[str]) -> Any:
    pd = pandas()
    text = read_text(path)
    header = text.lstrip("\n\r").partition("\n")[0]
    delimiter = max(",;\t|", key=header.count)
    if delimiter != ("\t" if kind_of(path) in (".tsv", ".tab") else ",") and delimiter in header:
        notes.append(f"{path}: columns are separated by {delimiter!r}.")
    options: dict[str, Any] = {"sep": delimiter, "index_col": False, "low_memory": False, "keep_default_na": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            header_row = pd.read_csv(io.StringIO(text), nrows=1, header=None, dtype=str, **options)
            refuse_repeated([str(name).strip() for name in header_row.iloc[0]], str(path))
            names = [str(name) for name in pd.read_csv(io.StringIO(text), nrows=0, **options).columns]
            kept = text_columns(names)
            empty = {name: EMPTY for name in names if name not in kept}
            frame = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(kept, str), na_values=empty, **options)
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} must hold a header and rows. It is empty.") from None
    except RepeatedColumnError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} must be a table of separated values. It could not be read: {reason}.") from None
    return frame.rename(columns=lambda name: str(name).strip())


def _json_lines(path: Path) -> Any:
    try:
        return pandas().read_json(io.StringIO(read_text(path)), lines=True, dtype=False)
    except ValueError as error:
        raise ValueError(f"{path} must hold a JSON object on each line. It could not be read: {error}.") from None


def _parquet(path: Path) -> Any:
    pd = pandas()
    try:
        importlib.import_module("pyarrow")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{path.name} is a Parquet file, which pandas reads with pyarrow: `pip install pyarrow`, or save it as CSV"
        ) from None
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} must be a Parquet file. It could not be read: {error}") from None
