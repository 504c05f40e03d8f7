"""Shapes of arrays in `.npy` and `.npz` files, read and checked before the arrays are.

A file may say that an array is larger than any memory, and a few kilobytes in a zip file may expand to gigabytes.
"""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
    OverflowError,
    RuntimeError,  # also NotImplementedError and RecursionError, of zip files and headers
    SyntaxError,
    MemoryError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading damaged arrays raises, besides OSError."""


class NotArraysError(ValueError):
    """The file holds no arrays, or arrays of objects."""


class PickledError(NotArraysError):
    """The file holds pickled objects."""


class Header(NamedTuple):
    """What the header of an array says.

    Attributes:
        shape: of the array.
        dtype: of its entries, which are no Python objects.
        by_columns: whether they are stored in Fortran's order.
        start: bytes of the header, behind which the array begins.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool
    start: int

    @property
    def end(self) -> int:
        """Bytes of the header and the array."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes], size: int) -> Header:
    """The header of an array; `file` is then at its first entry.

    Args:
        file: at the beginning of the header.
        size: bytes of the file or member.

    Raises:
        ValueError: it is damaged, declares Python objects, or an array that is larger than the file.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in READERS:
            raise ValueError(f"version {version} of the format")
        shape, by_columns, dtype = READERS[version](file)
    except zipfile.BadZipFile:
        raise
    except UNREADABLE as error:
        raise NotArraysError("an array has a damaged header") from error
    if dtype.hasobject:
        raise PickledError("it holds pickled objects")
    header = Header(shape, dtype, by_columns, file.tell())
    if any(side < 0 for side in shape) or header.end > size:
        raise ValueError(f"an array of the shape {str(shape)[:60]} and {dtype} does not fit into its {size:,} bytes")
    return header


def is_npy(path: Path) -> bool:
    """Whether a file begins as an `.npy` file, whatever its suffix."""
    with path.open("rb") as file:
        return file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX


def npy_header(path: Path) -> Header:
    """The header of an `.npy` file.

    Raises:
        ValueError: as `read_header`.
    """
    with path.open("rb") as file:
        return read_header(file, path.stat().st_size)


def npz_headers(path: Path) -> dict[str, Header]:
    """The headers of all arrays in an `.npz` file, by name.

    Raises:
        ValueError: not a zip file of arrays, or as `read_header`.
    """
    found = {}
    if not zipfile.is_zipfile(path):
        raise NotArraysError("it is not a zip file")
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                with archive.open(member) as file:
                    found[member.filename.removesuffix(".npy")] = read_header(file, member.file_size)
    except NotArraysError:
        raise
    except UNREADABLE as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
    return found


def npz_array(path: Path, name: str) -> np.ndarray:
    """One array of an `.npz` file, whose checksum is compared.

    Raises:
        KeyError, ValueError: there is none, or it is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = arrays[name]
    except UNREADABLE as error:
        raise ValueError(f"its array {name!r} can't be read: {error}") from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"its entry {name!r} is not an array")
    return found


class ArrayFile(Mapping[str, np.ndarray]):
    """The arrays of an `.npz` file by name; each is read when it is asked for, then kept.

    Args:
        path: of the file.
        read: reads the array of a name; `npz_array` of the file by default.

    Attributes:
        shapes: of all arrays, known before any is read.

    Raises:
        ValueError: as `npz_headers`.
    """

    def __init__(self, path: Path, read: Callable[[str], np.ndarray] | None = None) -> None:
        self.shapes = {name: header.shape for name, header in npz_headers(path).items()}
        self._read = read or (lambda name: npz_array(path, name))
        self._kept: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.shapes:
            raise KeyError(name)
        if name not in self._kept:
            self._kept[name] = self._read(name)
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def __contains__(self, name: object) -> bool:
        return name in self.shapes


def shape_of(arrays: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """The shape of one of several arrays, which is not read for it if they are an `ArrayFile`."""
    shape: tuple[int, ...] = arrays.shapes[name] if isinstance(arrays, ArrayFile) else arrays[name].shape
    return shape
