"""The processes of a run, called ranks: each computes a block of the samples, and the blocks are joined in order."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor, nn
from torch import distributed as dist

from longtail.data import Split
from longtail.training.training_predictions import Takes

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, by default one.

    Every rank must call the same methods in the same order.

    Attributes:
        rank: of this process.
        number: of all processes.
        device: of this process, through which tensors are sent.

    Example:
        >>> from longtail.data import FeatureViews
        >>> split = FeatureViews(torch.zeros(1, 10, 4), torch.zeros(10, dtype=torch.int64))
        >>> Ranks(number=4).blocks(split)
        [slice(0, 2, None), slice(2, 5, None), slice(5, 7, None), slice(7, 10, None)]
    """

    rank: int = 0
    number: int = 1
    device: torch.device = CPU

    @classmethod
    def of(cls, fabric: "Fabric") -> Self:
        """Those that the engine was launched with."""
        return cls(fabric.global_rank, fabric.world_size, fabric.device)

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes files."""
        return self.rank == 0

    def blocks(self, split: Split) -> list[slice]:
        """The samples of each rank: of about the same number, or all for the first if a split can't be divided."""
        samples = len(split)
        if samples < self.number or not isinstance(split, Takes):
            return [slice(0, samples)] + [slice(samples, samples)] * (self.number - 1)
        edges = [samples * rank // self.number for rank in range(self.number + 1)]
        return [slice(*pair) for pair in pairwise(edges)]

    def rows_of(self, split: Split, compute: Callable[[Split], Tensor], *, everywhere: bool = False) -> Tensor:
        """The rows of all samples in order, where each rank computes those of its block.

        Args:
            split: the same on all ranks.
            compute: maps a part of it, which is not empty, to one row per sample, (n, …).
            everywhere: whether all ranks get all rows; otherwise only the first does, the others get none.
        """
        if self.number == 1:
            return compute(split)
        blocks = self.blocks(split)
        own = compute(_part(split, blocks[self.rank])) if _size(blocks[self.rank]) else None
        shape, dtype = self.from_first(None if own is None else (own.shape[1:], own.dtype))
        device = self.device if own is None else own.device
        rows = torch.empty(len(split) if everywhere or self.first else 0, *shape, dtype=dtype, device=device)
        for source, block in enumerate(blocks):
            if _size(block):
                received = self._received(own, source, (_size(block), *shape), dtype, everywhere=everywhere)
                if received is not None:
                    rows[block] = received  # each in its place: a list of all blocks would be as large as the result
        return rows

    def from_first(self, value: Any) -> Any:
        """A plain value of the first rank, on every rank."""
        if self.number == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, 0, device=self.device)
        return values[0]

    def gathered(self, value: Any) -> list[Any]:
        """A plain value of each rank, in their order, on every rank."""
        values = [value] * self.number
        if self.number > 1:
            dist.all_gather_object(values, value)
        return values

    def tensor_from_first(self, tensor: Tensor | None) -> Tensor:
        """A tensor of the first rank, on the CPU of every rank."""
        if self.number == 1:
            return cast(Tensor, tensor)
        shape, dtype = self.from_first(None if tensor is None else (tensor.shape, tensor.dtype))
        return cast(Tensor, self._received(tensor, 0, shape, dtype, everywhere=True)).cpu()

    def share_buffers(self, model: nn.Module) -> None:
        """Give every rank the buffers of the first: each has its own running statistics of batch norm."""
        if self.number > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def _received(
        self, own: Tensor | None, source: int, shape: tuple[int, ...], dtype: torch.dtype, *, everywhere: bool
    ) -> Tensor | None:
        """The block of a rank, on every rank or on the first alone."""
        if not everywhere and self.rank not in (0, source):
            return None
        if not everywhere and self.first and source == 0:
            return own
        if self.rank == source and own is not None:
            block = torch.empty(shape, dtype=dtype, device=self.device).copy_(own)
        else:
            block = torch.empty(shape, dtype=dtype, device=self.device)
        if everywhere:
            dist.broadcast(block, source)
        elif self.first:
            dist.recv(block, source)
        else:
            dist.send(block, 0)
            return None
        return block


ALONE = Ranks()


def _part(split: Split, block: slice) -> Split:
    if block == slice(0, len(split)):
        return split
    return cast(Takes, split).take(torch.arange(block.start, block.stop, device=split.target.device))


def _size(block: slice) -> int:
    size: int = block.stop - block.start
    return size
