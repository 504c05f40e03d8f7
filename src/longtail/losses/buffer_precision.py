"""Buffers that keep their precision when a module is cast, and devices without float64, such as MPS."""

from collections.abc import Callable, Mapping
from functools import partial
from operator import methodcaller

import torch
from torch import Tensor, nn


class KeepsPrecision(nn.Module):
    """A module whose buffers stay in the precision that they were made in, whatever `.half()` says, but for `weight`.

    Class weights are cast, as those of `nn.CrossEntropyLoss`.
    """

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        kept = {name: buffer for name, buffer in self._buffers.items() if name != "weight" and buffer is not None}
        super()._apply(partial(_moved, fn), recurse)  # type: ignore[no-untyped-call]
        _keep_precision(self, kept)
        return self


def _keep_precision(module: nn.Module, former: Mapping[str, Tensor]) -> None:
    """After `module` was moved or cast: give its buffers the dtype of `former` again, and values never cast."""
    for name, buffer in former.items():
        now = module._buffers[name]
        if now is not None and now.dtype != buffer.dtype:
            to_device = methodcaller("to", now.device)
            module._buffers[name] = now.to(buffer.dtype) if buffer.is_meta else _moved(to_device, buffer)


def _moved(move: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    """The tensor after `move`; in float32 if it is float64 and the device has no such precision."""
    try:
        return move(tensor)
    except TypeError:
        if tensor.dtype != torch.float64:
            raise
        return move(tensor.float())
