"""Buffers that keep their precision when a module is cast, and devices without float64, such as MPS."""

from collections.abc import Callable, Mapping
from operator import methodcaller

import torch
from torch import Tensor, nn


def moved(move: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    """The tensor after `move`; in float32 if it is float64 and the device has no such precision."""
    try:
        return move(tensor)
    except TypeError:
        if tensor.dtype != torch.float64:
            raise
        return move(tensor.float())


def keep_precision(module: nn.Module, former: Mapping[str, Tensor]) -> None:
    """After `module` was moved or cast: give its buffers the dtype of `former` again, and values never cast."""
    for name, buffer in former.items():
        now = module._buffers[name]
        if now is not None and now.dtype != buffer.dtype:
            to_device = methodcaller("to", now.device)
            module._buffers[name] = now.to(buffer.dtype) if buffer.is_meta else moved(to_device, buffer)
