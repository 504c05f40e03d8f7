"""Large tables of floating point numbers in `.npy` and `.npz` files, mapped instead of loaded."""

import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib.npyio import NpzFile

LOADED = 1 << 27
"""Bytes as float32: tables of at most 128 MB are loaded."""
CHUNK = 1 << 22
LOCAL_HEADER = 30
"""Bytes of the fixed part of the header that comes before a member of a zip file."""
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def is_large_table(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an array is a table (N, D) of float16, float32 or float64 that is not loaded as float32."""
    plain = dtype.kind == "f" and dtype.itemsize <= 8 and dtype.isnative
    return len(shape) == 2 and plain and 4 * shape[0] * shape[1] > LOADED


def array_of_npy(path: Path) -> np.ndarray:
    """The array of an `.npy` file, mapped if it is a large table.

    Raises:
        ValueError, EOFError, OSError: the file is damaged or holds Python objects.
    """
    with path.open("rb") as file:
        mapped = _header_of_large_table(file) is not None
    array: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array


def array_of_npz(path: Path, content: NpzFile, key: str) -> np.ndarray:
    """One array of an open `.npz` file, mapped if it is a large table that is stored without compression.

    Raises:
        ValueError, EOFError, zipfile.BadZipFile: the file is damaged or holds Python objects.
    """
    with zipfile.ZipFile(path) as archive:
        try:
            entry = archive.getinfo(f"{key}.npy")
        except KeyError:
            entry = None
        if entry is None or entry.compress_type != zipfile.ZIP_STORED:
            return content[key]
        with archive.open(entry) as member:
            header = _header_of_large_table(member)
            if header is None:
                return content[key]
            length = member.tell()
            while member.read(CHUNK):  # compares the checksum, as loading does
                pass
    shape, dtype = header
    if entry.file_size - length < shape[0] * shape[1] * dtype.itemsize:
        return content[key]  # raises; a map would go on into what comes next in the file
    return np.memmap(path, dtype, "r", _start(path, entry) + length, shape)


def _header_of_large_table(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype] | None:
    """Shape and dtype of an array that is a large table, row by row; `file` is then at its first number."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        return None
    shape, by_columns, dtype = HEADERS[version](file)
    return (shape, dtype) if is_large_table(shape, dtype) and not by_columns else None


def _start(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where the content of a member begins, behind a header whose length the directory of the file does not tell."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + LOCAL_HEADER - 4)
        name, extra = np.frombuffer(file.read(4), dtype="<u2")
    return entry.header_offset + LOCAL_HEADER + int(name) + int(extra)
