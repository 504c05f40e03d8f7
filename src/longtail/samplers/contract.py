"""The contract of every sampler: `indices(epoch)` at the core, `torch.utils.data.Sampler` around it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.utils.data import Sampler

from longtail.arguments import check_integer
from longtail.data import labels_of


class LongTailedSampler(Sampler[int]):
    """An epoch is a function of (seed, epoch); each rank takes every `num_replicas`-th index of it.

    Args:
        labels: (N,) class indices, or anything that `longtail.data.class_counts` takes. Labels that are a tensor on a
            device are drawn from there.
        num_samples: draws an epoch, over all ranks; by default N. What does not divide by the ranks is dropped.
        seed: in [0, 2^32).
        rank: of this process; by default that of `torch.distributed`, 0 without it.
        num_replicas: processes; by default as many as there are.

    Raises:
        ValueError, TypeError: labels or settings outside what is written above.
    """

    def __init__(
        self,
        labels: Any,
        *,
        num_samples: int | None = None,
        seed: int = 0,
        rank: int | None = None,
        num_replicas: int | None = None,
    ) -> None:
        device = labels.device if isinstance(labels, Tensor) else torch.device("cpu")
        self.labels = torch.from_numpy(labels_of(labels)).to(device)
        check_integer("seed", seed, minimum=0)
        if num_samples is not None:
            check_integer("num_samples", num_samples, minimum=1)
        self.num_samples = len(self.labels) if num_samples is None else num_samples
        self.seed = seed
        self.rank, self.num_replicas = _place(rank, num_replicas)
        self.epoch = 0
        self.position = 0
        self.class_counts = torch.bincount(self.labels)
        self._by_class = self.labels.argsort(stable=True)
        self._starts = self.class_counts.cumsum(0) - self.class_counts

    def indices(self, epoch: int) -> Tensor:
        """The draws of a whole epoch, over all ranks: (num_samples,) int64 on the device of the labels."""
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes; it begins at its beginning."""
        check_integer("epoch", epoch, minimum=0)
        self.epoch, self.position = epoch, 0

    def __len__(self) -> int:
        return self.num_samples // self.num_replicas

    def __iter__(self) -> Iterator[int]:
        mine = self.indices(self.epoch)[self.rank :: self.num_replicas][: len(self)].tolist()
        while self.position < len(mine):
            self.position += 1
            yield mine[self.position - 1]
        self.position = 0

    def state_dict(self, position: int | None = None) -> dict[str, int]:
        """Where this rank is.

        Args:
            position: draws of the epoch that have been used; by default those that were handed out. A `DataLoader` with
                workers asks ahead of training: pass steps × batch size then.
        """
        return {"epoch": self.epoch, "position": self.position if position is None else position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self.epoch, self.position = state["epoch"], state["position"]

    def generator(self, epoch: int) -> torch.Generator:
        """The generator of one epoch, on the device of the labels."""
        mixed = (self.seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 1) % 2**63
        return torch.Generator(self.labels.device).manual_seed(mixed)

    def samples_of(self, classes: Tensor, uniform: Tensor) -> Tensor:
        """For each class a sample of it, chosen by a number in [0, 1)."""
        counts = self.class_counts[classes]
        within = (uniform * counts).long().clamp_(max=counts - 1)
        return self._by_class[self._starts[classes] + within]


def _place(rank: int | None, num_replicas: int | None) -> tuple[int, int]:
    initialised = dist.is_available() and dist.is_initialized()
    if num_replicas is None:
        num_replicas = dist.get_world_size() if initialised else 1
    if rank is None:
        rank = dist.get_rank() if initialised else 0
    check_integer("num_replicas", num_replicas, minimum=1)
    check_integer("rank", rank, minimum=0)
    if rank >= num_replicas:
        raise ValueError(f"`rank` must be below `num_replicas`, {num_replicas}. Got {rank}.")
    return rank, num_replicas
