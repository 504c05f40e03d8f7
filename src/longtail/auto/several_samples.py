"""Samples for a predictor: what can't be several samples is refused before anything is decoded."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from longtail.data.column_source import IMAGE_COLUMNS
from longtail.data.images.encoded_images import BYTES
from longtail.data.packed_images import is_packed, pack_of
from longtail.data.tables.file import TABLES
from longtail.data.text_file import kind_of


def several_samples(samples: Any) -> Any:
    """The samples, with a length; a generator is made a list.

    Raises:
        TypeError: a single sample, such as a path, or no samples at all.
        FileNotFoundError: the path of a Parquet or tar file that is missing.

    Example:
        >>> several_samples(name for name in ("a.png", "b.png"))
        ['a.png', 'b.png']
    """
    if isinstance(samples, (str, os.PathLike)):
        _refuse_tables(Path(samples))
        raise TypeError(
            f"`samples` must be several samples. Got one path, {os.fspath(samples)!r}: pass a list of it, [path]; "
            "predictor(path) takes one image."
        )
    if isinstance(samples, Mapping):
        raise TypeError(
            "`samples` must be several samples. Got a dictionary: of one sample, use predictor(sample); of columns, "
            "pass pandas.DataFrame(samples); of several sets, pass one of them."
        )
    if isinstance(samples, Iterator) and not hasattr(samples, "read"):
        return list(samples)
    if isinstance(samples, (bytes, bytearray)) or not hasattr(samples, "__len__"):
        raise TypeError(f"`samples` must be a list of samples. Got {type(samples).__name__}.{_hint(samples)}")
    return samples


def _refuse_tables(path: Path) -> None:
    """Raise if a path that is not read can't be that of an image either."""
    if path.is_dir():
        raise TypeError(
            f"`samples` must be several samples. Got the folder {os.fspath(path)!r}: pass a list of the paths in it, "
            "or a folder of Parquet or tar files of images."
        )
    if is_packed(path) and not path.exists():
        raise FileNotFoundError(
            f"`samples` must exist. Got the {pack_of(path)} file {os.fspath(path)!r}, which is missing."
        )
    if kind_of(path) in TABLES:
        raise TypeError(
            f"`samples` must be several samples. Got the path of a table, {os.fspath(path)!r}: read it with pandas, "
            "and pass the table."
        )


def check_images(samples: Any) -> None:
    """Raise unless samples are images, or else are all paths.

    Raises:
        TypeError: a table, bytes, an open file, a Parquet or tar file, or paths among images.
        ValueError: a batch as one sample.

    Example:
        >>> import numpy as np
        >>> check_images([np.zeros((8, 8, 3), np.uint8)])
    """
    packed = next((s for s in samples if isinstance(s, (str, os.PathLike)) and is_packed(Path(s))), None)
    if packed is not None:
        raise TypeError(
            f"`samples` must be images. Got the {pack_of(Path(packed))} file {os.fspath(packed)!r}: "
            "predictor.batch(path) and predictor.sets(path) take one, or a folder of them."
        )
    if hasattr(samples, "columns"):
        raise TypeError(
            "`samples` must be a list of paths or images. Got a table: pass its column of paths, list(table['path'])."
        )
    paths = [isinstance(sample, (str, os.PathLike)) for sample in samples]
    if any(paths) and not all(paths):
        listed = list(samples)
        path, other = listed[paths.index(True)], listed[paths.index(False)]
        raise TypeError(
            f"`samples` must be all paths, or all images. Got the path {os.fspath(path)!r} and a "
            f"{type(other).__name__}: open the files, PIL.Image.open(path)."
        )
    for number, sample in enumerate(() if any(paths) else samples):
        _check_image(sample, number)


def _check_image(sample: Any, number: int) -> None:
    if isinstance(sample, (bytes, bytearray, Mapping)) or hasattr(sample, "read"):
        raise TypeError(f"sample {number} must be a path or an image. Got {type(sample).__name__}.{_hint(sample)}")
    shape = tuple(getattr(sample, "shape", ()))
    if len(shape) == 4:
        alone = " Drop the first axis, sample[0]." if shape[0] == 1 else " Pass it to predictor.batch."
        raise ValueError(f"sample {number} must be one image, (H, W, C), or (C, H, W) of a tensor. Got {shape}.{alone}")


def _hint(sample: Any) -> str:
    if isinstance(sample, (bytes, bytearray)):
        return " Decode it: PIL.Image.open(io.BytesIO(content))."
    if isinstance(sample, Mapping) and (column := next((name for name in IMAGE_COLUMNS if name in sample), None)):
        return f" Pass its image, sample[{column!r}]."
    if isinstance(sample, Mapping) and isinstance(sample.get(BYTES), bytes):
        return " Decode it: PIL.Image.open(io.BytesIO(sample['bytes'])). Of many: predictor.batch(table['image'])."
    return " Decode it: PIL.Image.open(file)." if hasattr(sample, "read") else ""
