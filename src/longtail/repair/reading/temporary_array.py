"""Arrays in temporary files."""

import os
import tempfile
from typing import Any

import numpy as np


def temporary_array(shape: tuple[int, int], dtype: Any) -> np.memmap[Any, Any]:
    """A memory-mapped array of zeros in an unnamed file, which is deleted when the process ends.

    Raises:
        OSError: there is not enough space in the temporary folder.
    """
    with tempfile.TemporaryFile() as file:
        _reserve(file.fileno(), int(np.dtype(dtype).itemsize) * shape[0] * shape[1])
        return np.memmap(file, dtype, "w+", shape=shape)


def _reserve(file: int, size: int) -> None:
    """Take the room on the disk now: where it ends while a mapped file is written, the process is killed."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        folder = tempfile.gettempdir()
        raise OSError(
            error.errno,
            f"{os.strerror(error.errno or 0)}: {size / 2**30:.1f} GiB are needed for a while (TMPDIR names a folder)",
            folder,
        ) from error
