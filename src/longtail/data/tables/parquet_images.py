"""Images of Parquet files and pandas tables to predict, which need no labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.file_rows import file_rows
from longtail.data.first_of_many import first
from longtail.data.images.encoded_images import holds_bytes, holds_images, images_of, refuse_other_images
from longtail.data.samples import Samples
from longtail.data.tables.columns import FILE_COLUMNS, given_column, image_column
from longtail.data.tables.file import PARQUET, pandas, read_table, refuse_repeated
from longtail.data.tables.parquet_folder import is_parquet_folder, parquet_files, with_rows

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def is_parquet(path: Path) -> bool:
    """Whether this is the name of a Parquet file."""
    return path.suffix.lower() in PARQUET


def parquet_at(path: Path) -> list[Path]:
    """The Parquet files that a path names: itself, or those of a folder."""
    if is_parquet_folder(path):
        return parquet_files(path)
    return [path] if is_parquet(path) and path.is_file() else []


def parquet_images(files: Sequence[Path], notes: list[str], column: str | None = None) -> Samples:
    """The images of Parquet files, row by row; they have no labels.

    Args:
        files: their paths.
        notes: gets a note on each column that is read.
        column: that of the images; needed where several columns hold some.

    Raises:
        ValueError: a file has no column of images as bytes, or all of them do not fit into memory.
    """
    files = with_rows(files, notes)
    columns = _image_columns(files, [read_table(file, list, notes) for file in files], column)
    for name in dict.fromkeys(str(column.name) for column in columns):
        read = [str(file) for file, column in zip(files, columns, strict=True) if column.name == name]
        notes.append(f"{first(read)}: images are read from the column {name!r}, as bytes.")
    images = pandas().concat(columns, ignore_index=True)
    images.index = file_rows(list(map(str, files)), list(map(len, columns)))
    return _without_labels(images)


def table_images(samples: Any) -> Samples | None:
    """The images that a pandas table, or a column of one, holds as bytes; `None` for anything else.

    Raises:
        ValueError: several columns hold images, or have the same name.
    """
    if not hasattr(samples, "iloc"):
        return None
    if not hasattr(samples, "columns"):
        return _without_labels(samples) if holds_bytes(samples) else None
    names = list(map(str, samples.columns))
    refuse_repeated(names, "`samples`")
    table = samples.set_axis(names, axis=1)
    name = image_column(table, names, None, "`samples`")
    if name is None:
        return None
    if several := [other for other in names if other != name and holds_images(table[other])]:
        raise ValueError(
            f"`samples` must hold one column of images. It holds {first([name, *several])}: pass one of them, "
            f"predictor.batch(table[{name!r}])."
        )
    return _without_labels(table[name])


def _without_labels(column: "Series[Any]") -> Samples:
    return Samples(np.zeros(len(column), dtype=np.int64), (), items=images_of(column))


def _image_columns(files: Sequence[Path], frames: "Sequence[DataFrame]", given: str | None) -> "list[Series[Any]]":
    """The column of images of each table; in one that holds none, the column that has the name of one in another."""
    found = [_image_column(frame, given, str(file)) for file, frame in zip(files, frames, strict=True)]
    usual = next((name for name in found if name is not None), None)
    names = [
        usual if name is None and usual in frame.columns else name for name, frame in zip(found, frames, strict=True)
    ]
    for file, frame, name in zip(files, frames, names, strict=True):
        if name is None:
            _refuse(frame, str(file))
    return [frame[name] for frame, name in zip(frames, names, strict=True)]


def _image_column(frame: "DataFrame", given: str | None, where: str) -> str | None:
    names = list(map(str, frame.columns))
    return image_column(frame, names, given_column(names, given, "path-column", where), where)


def _refuse(frame: "DataFrame", where: str) -> None:
    for name in map(str, frame.columns):
        if name.lower() in FILE_COLUMNS:
            refuse_other_images(frame[name], where)
    raise ValueError(
        f"{where} must hold images as bytes. Its columns: {first(list(map(str, frame.columns)))}. Where one holds "
        "paths, write them to a text file (.txt), one per line."
    )
