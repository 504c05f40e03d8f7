"""Buffers on devices without float64, such as MPS."""

from collections.abc import Callable

import torch
from torch import Tensor


def moved(move: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    """The tensor after `move`; in float32 if it is float64 and the device has no such precision."""
    try:
        return move(tensor)
    except TypeError:
        if tensor.dtype != torch.float64:
            raise
        return move(tensor.float())
