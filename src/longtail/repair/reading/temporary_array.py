"""Arrays in a file that goes with the process."""

import tempfile
from typing import Any

import numpy as np


def temporary_array(shape: tuple[int, int], dtype: Any) -> np.memmap[Any, Any]:
    """An array of zeros that is mapped to a file without a name."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)
