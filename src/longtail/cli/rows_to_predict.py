"""The rows of features of `longtail predict`: those of tables and of arrays."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from longtail.auto.named_features import note_on_order, ordered_features
from longtail.cli.console import say
from longtail.cli.image_files import matches
from longtail.data.array_source import is_array_file, read_inputs
from longtail.data.features.rows import is_mapped
from longtail.data.tables.columns import given_column
from longtail.data.tables.file import TABLES, read_table, refuse_repeated, with_named_rows
from longtail.data.text_file import kind_of
from longtail.regular_file import check_regular

if TYPE_CHECKING:
    from pandas import DataFrame

    from longtail.data import DataInfo

AT_ONCE = 1 << 16
"""Rows that are predicted at once."""
Classes = TypeVar("Classes")


class RowsToPredict:
    """Rows of features in the order of their files.

    Args:
        files: tables (.csv, .tsv, .jsonl, .parquet; .gz too) and arrays (.npy, .npz), or patterns of these.
        info: describes the data of the run; columns of tables are matched to its features by name.
        id_column: column of tables that names the rows.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a pipe or another kind of file, a feature that is missing or no finite number, or no column of this
            name.

    Attributes:
        heading: heading of the names: `id_column`, or "row".
        names: (N,) the values of `id_column`, or FILE:ROW, with rows counted from 0.
    """

    def __init__(self, files: Sequence[Path], info: "DataInfo", id_column: str | None = None) -> None:
        self.info, self.id_column = info, id_column
        self.heading = id_column or "row"
        self.names: list[str] = []
        self._tables: list[tuple[Path, np.ndarray]] = []
        for path in (match for file in files for match in matches(file)):
            table, names = self._read(path)
            self._tables.append((path, table))
            self.names += names or [f"{path}:{row}" for row in range(len(table))]

    def predicted(self, classes_of: Callable[[np.ndarray], list[Classes]]) -> list[Classes]:
        """What `classes_of` returns for each row; it is given features (n, D), some rows at a time."""
        return [classes for block in self._blocks() for classes in classes_of(block)]

    def _blocks(self) -> Iterator[np.ndarray]:
        for path, table in self._tables:
            for start in range(0, len(table), AT_ONCE):
                rows = table[start : start + AT_ONCE]
                yield self._features(path, rows, start) if is_mapped(table) else rows  # others are checked already

    def _read(self, path: Path) -> tuple[np.ndarray, list[str]]:
        if not path.is_dir() and not path.is_file():
            check_regular(path)
            raise FileNotFoundError(f"`files` must exist. Got {path}, which is missing.")
        if is_array_file(path):
            if self.id_column is not None:
                raise ValueError(f"--id-column can only be used with tables. Got the arrays {path}.")
            table = read_inputs(path)
            if table.shape[:1] == (0,):
                raise ValueError(f"{path} must hold at least one row. Got none.")
            # A mapped table is checked in parts, when they are read.
            return (table if is_mapped(table) and table.ndim == 2 else self._features(path, table)), []
        if path.is_dir() or kind_of(path) not in TABLES:
            raise ValueError(
                "`files` must be tables (.csv, .tsv, .jsonl, .parquet; .gz too) or arrays (.npy, .npz) of features, as "
                f"the run was trained on. Got {path}." + (f" Name its files: {path}/*" if path.is_dir() else "")
            )
        notes: list[str] = []
        frame = with_named_rows(read_table(path, self._text_columns, notes))
        for note in notes:
            say(note, error=True)
        ids = self._ids(frame, path)
        only_names = self.id_column in frame.columns and self.id_column not in (self.info.feature_names or ())
        rows = frame.drop(columns=self.id_column) if only_names else frame
        if self.info.feature_names is None:
            say(note_on_order(str(path), rows.columns), error=True)
        return self._features(path, rows), ids

    def _features(self, path: Path, rows: Any, first: int = 0) -> np.ndarray:
        return ordered_features(
            rows,
            self.info.feature_names,
            self.info.input_shape[0],
            where=str(path),
            name_of=lambda row: f"{path}:{row + first}",
        )

    def _text_columns(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name == self.id_column]

    def _ids(self, frame: "DataFrame", path: Path) -> list[str]:
        column = given_column(list(map(str, frame.columns)), self.id_column, "id-column", str(path))
        if column is None:
            return []
        refuse_repeated([name for name in frame.columns if name == column], str(path))
        ids = frame[column]
        names: list[str] = ids.astype(str).tolist()
        missing = np.flatnonzero(ids.isna() | ids.astype(str).str.strip().eq(""))
        if len(missing):
            raise ValueError(
                f"{path} must name each row in the column {column!r}. {path}:{missing[0]} has no name there. "
                "Fill it in, or leave out --id-column."
            )
        return names
