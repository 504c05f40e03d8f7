"""A check that a file fits into memory, before it is read."""

import importlib
import zipfile
from pathlib import Path

from longtail.data.tables.file import DELIMITED, JSON_LINES, PARQUET
from longtail.data.text_file import COMPRESSED, MEMORY_OF_TEXT, kind_of
from longtail.free_memory import free_memory

# Measured peak memory in bytes per byte of the file.
JSON_TIMES = 16
TIMES = 3
PACKED_TIMES = 3  # smallest compression ratio of a table


def check_fits(path: Path) -> None:
    """Raise if reading a file would take more memory than is available.

    Raises:
        ValueError: the file is too large.
    """
    needed, free = memory_needed(path), free_memory()
    if needed > free:
        raise ValueError(
            f"{path} must fit into memory. Its {_size(path.stat().st_size)} take about {_size(needed)} of memory, and "
            f"{_size(free)} are available. Save the scores as .npy (np.save), which is memory-mapped, and the labels "
            "in another file (--labels)."
        )


def memory_needed(path: Path) -> int:
    """Approximate memory in bytes to read a file; for a compressed table a lower bound."""
    if path.suffix.lower() == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                return TIMES * sum(member.file_size for member in archive.infolist())
        except (OSError, zipfile.BadZipFile):
            return 0  # damaged: the reader raises
    size, kind = path.stat().st_size, kind_of(path)
    if kind in PARQUET:
        return TIMES * max(size, _unpacked_parquet(path))
    if kind not in (*DELIMITED, *JSON_LINES):
        return TIMES * size
    packed = PACKED_TIMES if path.suffix.lower() in COMPRESSED else 1
    return size * packed * (JSON_TIMES if kind in JSON_LINES else MEMORY_OF_TEXT)


def _unpacked_parquet(path: Path) -> int:
    """Bytes of all cells as float64: a column of equal numbers takes next to nothing in the file."""
    try:
        content = importlib.import_module("pyarrow.parquet").read_metadata(path)
    except (ModuleNotFoundError, OSError, ValueError):
        return 0  # which its reader says
    return int(8 * content.num_rows * content.num_columns)


def _size(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
