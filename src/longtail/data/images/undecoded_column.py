"""Images of a data set of Hugging Face before it decodes them: bytes, or the paths of files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from longtail.data.images.file_parts import FilePart, LargeFile


class UndecodedColumn:
    """The image files in a column, like a sequence of their bytes; a row is read when it is needed.

    Attributes:
        rows: a data set that does not decode the column.
        column: its name.
        indices: (N,) the rows that are meant.
    """

    def __init__(self, rows: Any, column: str, indices: Sequence[int]) -> None:
        self.rows, self.column, self.indices = rows, column, indices

    @classmethod
    def of(cls, data: Any, column: str) -> Self | None:
        """The column of a data set that decodes it; `None` if its bytes can't be had, as those of a remote file."""
        if not hasattr(data, "cast_column"):
            return None
        kind = data.features[column]
        alone = data.with_format(None).select_columns(column)  # reading a row would decode its other images
        rows = alone.cast_column(column, type(kind)(decode=False))
        found = cls(rows, column, range(len(rows)))
        return None if len(found) and _is_remote(found.rows[0][column]) else found

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> bytes | FilePart:
        value = self.rows[self.indices[index]][self.column]
        if value is None:
            return b""
        return value["bytes"] or _file_at(value["path"])

    def __iter__(self) -> Iterator[bytes | FilePart]:
        return (self[index] for index in range(len(self)))

    def paths(self) -> list[str] | None:
        """(N,) the paths of the images, empty where one has none; `None` where their bytes are in the data set."""
        values = (self.rows[index][self.column] for index in self.indices)
        first = next(iter(values), None)
        if first is None or first["bytes"]:
            return None
        return [first["path"] or "", *("" if value is None else value["path"] or "" for value in values)]

    def take(self, rows: Sequence[int]) -> "UndecodedColumn":
        """The images of these indices, in their order."""
        return UndecodedColumn(self.rows, self.column, [self.indices[row] for row in rows])


def _is_remote(value: Any) -> bool:
    return isinstance(value, Mapping) and not value["bytes"] and "://" in (value["path"] or "")


def _file_at(path: str | None) -> bytes | FilePart:
    """A whole file; reading one that is missing raises `FileNotFoundError`."""
    if not path:
        return b""
    file = Path(path)
    if not file.is_file():
        return FilePart(LargeFile(path, path, 0, 0), 0, 1, path)
    found = LargeFile.at(file, path)
    return FilePart(found, 0, found.size, path)
