"""JSON that any reader accepts: arrays and tensors become lists, numbers that are not finite become null."""

import json
import math
from collections.abc import Mapping
from typing import Any


def to_json(content: Any, indent: int | None = None) -> str:
    """Serialise mappings, sequences, numbers, strings, arrays, tensors and pandas columns, nested at will.

    Raises:
        TypeError: anything else.

    Example:
        >>> import numpy as np
        >>> to_json({"scores": np.array([0.5, np.nan])})
        '{"scores": [0.5, null]}'
    """
    return json.dumps(_plain(content), indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
