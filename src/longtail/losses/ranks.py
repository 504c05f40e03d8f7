"""Sums over the ranks of `torch.distributed`, for losses that learn from what every rank has seen."""

import torch
from torch import Tensor
from torch import distributed as dist


def sum_over_ranks(group: dist.ProcessGroup | None, *vectors: Tensor) -> tuple[Tensor, ...]:
    """Each vector summed over the ranks of the group (`None`: all), in one message; as given where there is one rank.

    Every rank must call it equally often, also with nothing to add.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size(group) > 1):
        return vectors
    packed = torch.cat([vector.flatten() for vector in vectors])
    dist.all_reduce(packed, group=group)
    parts = packed.split([vector.numel() for vector in vectors])  # type: ignore[no-untyped-call]
    return tuple(part.view_as(vector) for part, vector in zip(parts, vectors, strict=True))
