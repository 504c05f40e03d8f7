"""Images to predict from files that hold many images: Parquet and tar files."""

from collections.abc import Sequence
from pathlib import Path

from longtail.data.samples import Samples
from longtail.data.shards.tar_names import is_tar_name
from longtail.data.tables.parquet_images import is_parquet, parquet_at, parquet_images
from longtail.data.tar.images import tar_images
from longtail.data.tar.source import is_tar_folder, tar_files


def is_packed(path: Path) -> bool:
    """Whether the name is that of a Parquet or tar file."""
    return bool(pack_of(path))


def pack_of(path: Path) -> str:
    """The kind of a file by its name: "Parquet", "tar", or an empty text for another."""
    return "Parquet" if is_parquet(path) else "tar" if is_tar_name(path.name) else ""


def packed_at(path: Path) -> list[Path]:
    """The Parquet or tar files at a path: the path itself, or those of a folder; an empty list if it has none.

    Raises:
        ValueError: a folder of several data sets, or one that lacks some of its files.
    """
    if is_tar_folder(path):
        return tar_files(path)
    return [path] if is_tar_name(path.name) and path.is_file() else parquet_at(path)


def packed_images(files: Sequence[Path], notes: list[str], column: str | None = None) -> Samples:
    """Their images, one after the other; they have no labels.

    Args:
        files: all Parquet, or all tar files.
        notes: gets a note on what is read and left out.
        column: that of the images in a Parquet file, or their suffix in a tar file; needed where there are several.

    Raises:
        ValueError: a file holds no images, or can't be read.
    """
    return (parquet_images if is_parquet(files[0]) else tar_images)(files, notes, column)
