"""Matrix products whose precision `torch.autocast` must not lower."""

from contextlib import AbstractContextManager, nullcontext

import torch


def autocast_dtype(kind: str) -> torch.dtype | None:
    """What matrix products are computed in on a kind of device, where autocast says so.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     autocast_dtype("cpu")
        torch.bfloat16
    """
    if not torch.compiler.is_compiling() and not torch.amp.is_autocast_available(kind):  # 2.11 can't trace the latter
        return None
    if torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return None


def without_autocast(kind: str) -> AbstractContextManager[object]:
    """A block in which matrix products on a kind of device have the precision of what is multiplied.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), without_autocast("cpu"):
        ...     (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
        torch.float32
    """
    return nullcontext() if autocast_dtype(kind) is None else torch.autocast(kind, enabled=False)
