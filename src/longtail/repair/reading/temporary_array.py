"""Arrays in temporary files."""

import tempfile
from typing import Any

import numpy as np


def temporary_array(shape: tuple[int, int], dtype: Any) -> np.memmap[Any, Any]:
    """A memory-mapped array of zeros in an unnamed file, which is deleted when the process ends."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)
