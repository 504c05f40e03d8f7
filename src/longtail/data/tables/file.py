"""Tables from files, read by pandas: CSV and TSV (compressed too), Parquet, JSON lines."""

import importlib
import io
import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from longtail.data.text_file import decoded, kind_of, read_stream, read_text
from longtail.free_memory import free_memory

if TYPE_CHECKING:
    from pandas import DataFrame

DELIMITED = (".csv", ".tsv", ".tab")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")
MEMORY_OF_CELLS = 2  # Parquet's cells, as they are unpacked and as pandas holds them
TABLES = (*DELIMITED, *JSON_LINES, *PARQUET)
CLASS_NAMES = "class_names"
"""Attribute of a table that maps columns of class indices to the names of the classes, where the file declares them."""
Choose = Callable[[list[str]], list[str]]
QUOTED = re.compile(r'"[^"\r\n]*"')
CELL = r"(?:^|[;\t|])[ ]*[+-]?\d*{}\d+(?:[eE][+-]?\d+)?[ ]*(?=[;\t|\r\n]|$)"
DECIMAL_COMMA, DECIMAL_POINT = (re.compile(CELL.format(sign), re.MULTILINE) for sign in (",", r"\."))
EMPTY = ["", "NA", "N/A", "nan", "NaN", "null", "NULL", "None"]


def read_table(path: Path, text_columns: Choose, notes: list[str]) -> "DataFrame":
    """Read a table; strings such as "null", "NA" and "007" are kept in text columns.

    Args:
        path: path of the table.
        text_columns: function that returns, from the names of all columns, those to read as text.
        notes: assumptions are appended here.

    Raises:
        ModuleNotFoundError: pandas, or for Parquet pyarrow, is missing.
        ValueError: not a table, or no rows.
    """
    kind = kind_of(path)
    if kind in PARQUET:
        frame = _parquet(path)
    elif kind in JSON_LINES:
        frame = _json_lines(read_text(path), str(path))
    else:
        usual = "\t" if kind in (".tsv", ".tab") else ","
        frame = _delimited(read_text(path), str(path), usual, text_columns, notes)
    return _with_rows(frame, str(path))


def table_of_stream(stream: IO[bytes], where: str, text_columns: Choose, notes: list[str]) -> "DataFrame":
    """`read_table` for a stream such as standard input: JSON lines, else separated values; also compressed."""
    text = decoded(read_stream(stream, where), where)
    if text.lstrip().startswith("{"):
        return _with_rows(_json_lines(text, where), where)
    return _with_rows(_delimited(text, where, ",", text_columns, notes), where)


def _with_rows(frame: "DataFrame", where: str) -> "DataFrame":
    if not len(frame):
        raise ValueError(f"{where} must hold at least one row. Got none.")
    return frame


def with_named_rows(frame: "DataFrame") -> "DataFrame":
    """The table, with its index as the first columns unless that only numbers the rows: Parquet keeps names there."""
    unnamed = frame.index.nlevels == 1 and frame.index.name is None
    if unnamed and frame.index.dtype.kind in "iu":
        return frame
    return frame.reset_index(allow_duplicates=True)


class RepeatedColumnError(ValueError):
    """A table names a column twice."""


class TooLargeError(ValueError):
    """Tables do not fit into memory."""


def check_parquet_fits(paths: Sequence[Path]) -> list[int]:
    """Raise if reading Parquet files would take more memory than is available.

    Returns:
        How many rows each has, by its own account.

    Raises:
        TooLargeError: they are too large together.
    """
    read_metadata = importlib.import_module("pyarrow.parquet").read_metadata
    needed, rows, free = 0, [], free_memory()
    for path in paths:
        content = read_metadata(path)
        rows.append(content.num_rows)
        needed += MEMORY_OF_CELLS * sum(content.row_group(i).total_byte_size for i in range(content.num_row_groups))
    if needed > free:
        where = str(paths[0]) if len(paths) == 1 else f"the files of {paths[0].parent}"
        raise TooLargeError(
            f"{where} must fit into memory. They take about {needed / 2**30:,.1f} GiB, and {free / 2**30:,.1f} GiB are "
            "available. Other files are read in parts: unpack images into class folders, and save features as .npy."
        )
    return rows


def refuse_repeated(names: Sequence[str], where: str) -> None:
    """Raise if two columns have the same name: a second label would be read as a feature.

    Raises:
        RepeatedColumnError: two columns have the same name.
    """
    repeated = next((name for number, name in enumerate(names) if name and name in names[:number]), None)
    if repeated is not None:
        raise RepeatedColumnError(f"{where} must name each column once. Got {repeated!r} twice.")


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


def _delimited(text: str, where: str, usual: str, text_columns: Choose, notes: list[str]) -> "DataFrame":
    pd = pandas()
    header = QUOTED.sub("", _first_line(text))
    delimiter = max(",;\t|", key=header.count)
    if delimiter != usual and delimiter in header:
        notes.append(f"{where}: columns are separated by {delimiter!r}.")
    options: dict[str, Any] = {"sep": delimiter, "index_col": False, "low_memory": False, "keep_default_na": False}
    if delimiter != "," and DECIMAL_COMMA.search(text) and not DECIMAL_POINT.search(text):
        notes.append(f"{where}: numbers have a decimal comma.")
        options["decimal"] = ","
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            header_row = pd.read_csv(io.StringIO(text), nrows=1, header=None, dtype=str, **options)
            refuse_repeated([str(name).strip() for name in header_row.iloc[0]], where)
            names = [str(name) for name in pd.read_csv(io.StringIO(text), nrows=0, **options).columns]
            kept = text_columns(names)
            empty = {name: EMPTY for name in names if name not in kept}
            frame: DataFrame = pd.read_csv(
                io.StringIO(text), dtype=dict.fromkeys(kept, str), na_values=empty, **options
            )
    except pd.errors.EmptyDataError:
        raise ValueError(f"{where} must hold a header and rows. It is empty.") from None
    except RepeatedColumnError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        reason = " ".join(str(error).split())
        comment = " Its first line is a comment: remove it." if header.startswith("#") else ""
        raise ValueError(
            f"{where} must be a table of separated values. It could not be read: {reason.rstrip('.')}.{comment}"
        ) from None
    return frame.rename(columns=lambda name: str(name).strip())


def _first_line(text: str) -> str:
    found = re.search(r"[^\r\n]+", text)
    return "" if found is None else found[0]


def _json_lines(text: str, where: str) -> "DataFrame":
    try:
        frame: DataFrame = pandas().read_json(io.StringIO(text), lines=True, dtype=False)
    except ValueError as error:
        raise ValueError(f"{where} must hold a JSON object on each line. It could not be read: {error}.") from None
    return frame


def _parquet(path: Path) -> "DataFrame":
    pd = pandas()
    try:
        importlib.import_module("pyarrow")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{path.name} is a Parquet file, which pandas reads with pyarrow: `pip install pyarrow`, or save it as CSV"
        ) from None
    try:
        check_parquet_fits([path])
        frame: DataFrame = pd.read_parquet(path, engine="pyarrow")
        frame.columns = list(map(str, frame.columns))  # pandas may have written numbers
        frame.attrs[CLASS_NAMES] = _declared_names(path)
        return frame
    except TooLargeError:
        raise
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{path} must be a Parquet file. It could not be read: {error}") from None


def _declared_names(path: Path) -> dict[str, tuple[str, ...]]:
    """Names of classes by column, as Hugging Face writes them into a Parquet file."""
    from pyarrow.parquet import read_schema

    metadata = read_schema(path).metadata or {}
    try:
        columns = json.loads(metadata[b"huggingface"])["info"]["features"]
        kinds = {name: column for name, column in columns.items() if isinstance(column, dict) and column.get("names")}
        return {name: tuple(map(str, column["names"])) for name, column in kinds.items()}
    except (KeyError, TypeError, AttributeError, ValueError):  # none, or of another version
        return {}
