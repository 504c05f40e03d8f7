"""Large tables of floating point numbers in `.npy` and `.npz` files, mapped instead of loaded."""

import zipfile
from pathlib import Path

import numpy as np

from longtail.array_headers import Header, npy_header, npz_array, read_header

LOADED = 1 << 27
"""Bytes as float32: tables of at most 128 MB are loaded."""
CHUNK = 1 << 22
LOCAL_HEADER = 30
"""Bytes of the fixed part of the header that comes before a member of a zip file."""


def is_large_table(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an array is a table (N, D) of float16, float32 or float64 that is not loaded as float32."""
    plain = dtype.kind == "f" and dtype.itemsize <= 8 and dtype.isnative
    return len(shape) == 2 and plain and 4 * shape[0] * shape[1] > LOADED


def array_of_npy(path: Path) -> np.ndarray:
    """The array of an `.npy` file, mapped if it is a large table.

    Raises:
        ValueError, EOFError, OSError: the file is damaged or holds Python objects.
    """
    mapped = _is_mapped(npy_header(path))
    array: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array


def array_of_npz(path: Path, key: str) -> np.ndarray:
    """One array of an `.npz` file, mapped if it is a large table that is stored without compression.

    Raises:
        ValueError, zipfile.BadZipFile: the file is damaged or holds Python objects.
    """
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(f"{key}.npy")
        with archive.open(entry) as member:
            header = read_header(member, entry.file_size)
            if entry.compress_type != zipfile.ZIP_STORED or not _is_mapped(header):
                return npz_array(path, key)
            while member.read(CHUNK):  # compares the checksum, as loading does
                pass
    return np.memmap(path, header.dtype, "r", _start(path, entry) + header.start, header.shape)


def _is_mapped(header: Header) -> bool:
    """Whether an array is a large table, row by row."""
    return is_large_table(header.shape, header.dtype) and not header.by_columns


def _start(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where the content of a member begins, behind a header whose length is not in the directory of the file."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + LOCAL_HEADER - 4)
        name, extra = np.frombuffer(file.read(4), dtype="<u2")
    return entry.header_offset + LOCAL_HEADER + int(name) + int(extra)
