"""Files that do not fit into memory are refused before they are read."""

import os
import zipfile
from pathlib import Path

from longtail.data.table_file import DELIMITED, JSON_LINES
from longtail.data.text_file import COMPRESSED, kind_of

# Measured: bytes of memory at the peak of reading a byte of the file.
JSON_TIMES = 16
TEXT_TIMES = 8
TIMES = 3
PACKED_TIMES = 3  # how much smaller a compressed table is, at least


def check_fits(path: Path) -> None:
    """Raise where reading a file whole would take more than the memory that is free.

    Raises:
        ValueError: the file is too large.
    """
    needed, free = memory_needed(path), free_memory()
    if needed > free:
        raise ValueError(
            f"{path} has {_size(path.stat().st_size)}: reading it takes about {_size(needed)} of memory, and "
            f"{_size(free)} are free. Save the scores as .npy (np.save) and the labels in another file (--labels): "
            "such a file is read in passes and never held as a whole."
        )


def memory_needed(path: Path) -> int:
    """About how many bytes of memory reading a file takes; of a compressed table at least."""
    if path.suffix.lower() == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                return TIMES * sum(member.file_size for member in archive.infolist())
        except (OSError, zipfile.BadZipFile):
            return 0  # damaged, which its reader says
    size, kind = path.stat().st_size, kind_of(path)
    if kind not in (*DELIMITED, *JSON_LINES):
        return TIMES * size
    packed = PACKED_TIMES if path.suffix.lower() in COMPRESSED else 1
    return size * packed * (JSON_TIMES if kind in JSON_LINES else TEXT_TIMES)


def free_memory() -> int:
    """Bytes that a process can take without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _size(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
