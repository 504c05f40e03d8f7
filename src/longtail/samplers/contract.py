"""The contract of every sampler: `indices(epoch)` at the core, `torch.utils.data.Sampler` around it."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.utils.data import Sampler

from longtail.arguments import check_integer, check_keywords, keywords_of
from longtail.data import labels_of
from longtail.signatures import name_arguments, naming_misspelt

SEEDS = 2**32


class LongTailedSampler(Sampler[int]):
    """Base class of samplers: an epoch is a function of (seed, epoch); each rank takes every `num_replicas`-th index.

    A sampler of your own overrides `indices`, which draws from `generator(epoch)`.

    Each iterator is a whole epoch, or what is left of it after `load_state_dict`; iterators do not affect each other.
    Call `set_epoch` before each epoch, as for `DistributedSampler`, else all epochs are the same.

    Lightning and accelerate wrap samplers that they do not know, which would divide the draws among the processes a
    second time and leave the epoch unchanged. With Lightning, pass `use_distributed_sampler=False` (to the `Trainer`,
    or to `Fabric.setup_dataloaders`): it then calls `set_epoch`. With accelerate, make the sampler with `rank=0` and
    `num_replicas=1`, and call `set_epoch` of the loader that `prepare` returns.

    Args:
        labels: (N,) class indices, or anything that `longtail.data.class_counts` takes. Labels that are a tensor on a
            device are drawn from there.
        num_samples: draws per epoch, over all ranks; by default N. Draws that do not divide evenly among the ranks are
            dropped; with fewer draws than ranks, some draws are repeated, so that each rank has one.
        seed: in [0, 2^32).
        rank: of this process; by default that of `torch.distributed`, read when the sampler is used; 0 without it.
        num_replicas: processes; by default the number of those of `torch.distributed`, read likewise; 1 without it.

    Raises:
        ValueError, TypeError: labels or settings outside what is written above.

    Example:
        >>> class RarestFirst(LongTailedSampler):
        ...     def indices(self, epoch):
        ...         return self.class_counts[self.labels].argsort(stable=True)[: self.num_samples]
        >>> list(RarestFirst([0, 0, 1, 0]))
        [2, 0, 1, 3]
        >>> list(RarestFirst([0, 0, 1, 0], rank=1, num_replicas=2))
        [0, 3]
    """

    @naming_misspelt
    def __init__(
        self,
        labels: Any,
        *,
        num_samples: int | None = None,
        seed: int = 0,
        rank: int | None = None,
        num_replicas: int | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            check_keywords(type(self).__name__, unknown, keywords_of(type(self), LongTailedSampler))
        device = labels.device if isinstance(labels, Tensor) else torch.device("cpu")
        self.labels = torch.from_numpy(labels_of(labels, "labels")).to(device)
        check_integer("seed", seed, minimum=0)
        if seed >= SEEDS:
            raise ValueError(f"`seed` must be below 2^32. Got {seed}.")
        if num_samples is not None:
            check_integer("num_samples", num_samples, minimum=1)
        self.num_samples = len(self.labels) if num_samples is None else num_samples
        self.seed = seed
        self._given_place = rank, num_replicas
        _place(rank, num_replicas)  # checks them
        self.epoch = 0
        # As restored, until an iterator that begins there has reached the end of the epoch or another epoch is set.
        self._begins_at = [0]
        self._saved_by: int | None = None  # processes of the state that was restored
        self._latest = [0]  # the position of the latest iterator, which the iterator itself advances
        self.class_counts = torch.bincount(self.labels)
        self._by_class = self.labels.argsort(stable=True)
        self._starts = self.class_counts.cumsum(0) - self.class_counts

    def __init_subclass__(cls) -> None:
        """Let `inspect.signature` and `help` show the arguments that a subclass passes on as `**arguments`.

        And let errors name those that are misspelt.
        """
        super().__init_subclass__()
        name_arguments(cls)

    @property
    def rank(self) -> int:
        """Rank of this process; read on each use, since Lightning starts the process group after samplers are made."""
        return _place(*self._given_place)[0]

    @property
    def num_replicas(self) -> int:
        """Number of processes that share the draws."""
        return _place(*self._given_place)[1]

    def indices(self, epoch: int) -> Tensor:
        """The draws of a whole epoch, over all ranks: (num_samples,) int64 on the device of the labels."""
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes. It starts from the beginning, unless it is the one that was restored."""
        check_integer("epoch", epoch, minimum=0)
        if epoch != self.epoch:
            self.epoch, self._begins_at, self._latest = epoch, [0], [0]

    def __len__(self) -> int:
        return max(1, self.num_samples // self.num_replicas)

    def __iter__(self) -> Iterator[int]:
        draws = self.indices(self.epoch)
        mine = draws[torch.arange(len(self), device=draws.device) * self.num_replicas + self.rank % len(draws)]
        self._check_position(self._begins_at[0], self._saved_by, self.num_replicas)
        position = self._latest = [*self._begins_at]
        return _from(mine.tolist(), position, self._begins_at)

    def state_dict(self, position: int | None = None) -> dict[str, int]:
        """Where this rank is: the epoch, and the draws of it that were used.

        Args:
            position: draws of the epoch that have been used; by default those that the latest iterator handed out. A
                `DataLoader` with workers asks ahead of training: pass steps × batch size then. A larger
                number than an epoch has stands for all of it, since the last batch may be smaller.
        """
        if position is None:
            position = self._latest[0]
        check_integer("position", position, minimum=0)
        return {"epoch": self.epoch, "position": min(position, len(self)), "num_replicas": self.num_replicas}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the epoch and position: the next iterator leaves out the draws that were used.

        Raises:
            ValueError: not such a state, a position beyond the epoch, or one of another number of processes.
            TypeError: values that are no integers.
        """
        if not isinstance(state, Mapping) or not {"epoch", "position"} <= set(state):
            raise ValueError(f"`state` must be what `state_dict` returned, with epoch and position. Got {state!r}.")
        check_integer("epoch", state["epoch"], minimum=0)
        check_integer("position", state["position"], minimum=0)
        known = self._given_place[1] is not None or (dist.is_available() and dist.is_initialized())
        saved_by = state.get("num_replicas")
        self._check_position(state["position"], saved_by, self.num_replicas if known else None)
        self.epoch, self._begins_at, self._saved_by = state["epoch"], [state["position"]], saved_by
        self._latest = [*self._begins_at]

    def _check_position(self, position: int, saved_by: int | None, processes: int | None) -> None:
        """Raise unless the position is one of this rank; of `None` processes a process group may still be started."""
        if not position:
            return
        if processes is not None and saved_by not in (None, processes):
            raise ValueError(
                f"`num_replicas` must be {saved_by}, as when the position was saved. Got {processes}: resume "
                "with as many processes as before, or at the beginning of an epoch."
            )
        if position > len(self):
            of_each = f" of each of {self.num_replicas} processes" if self.num_replicas > 1 else ""
            raise ValueError(
                f"`position` must be at most {len(self)}, the draws of an epoch{of_each}. Got {position}: "
                "resume with as many processes as before, and with the same labels."
            )

    def generator(self, epoch: int) -> torch.Generator:
        """The generator of one epoch, on the device of the labels."""
        mixed = (self.seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 1) % 2**63
        return torch.Generator(self.labels.device).manual_seed(mixed)

    def samples_of(self, classes: Tensor, uniform: Tensor) -> Tensor:
        """For each class a sample of it, chosen by a number in [0, 1)."""
        counts = self.class_counts[classes]
        within = (uniform * counts).long().clamp_(max=counts - 1)
        return self._by_class[self._starts[classes] + within]


def _from(draws: list[int], position: list[int], begins_at: list[int]) -> Iterator[int]:
    """The draws from a position on, which is advanced; the end of the epoch resets both."""
    while position[0] < len(draws):
        position[0] += 1
        yield draws[position[0] - 1]
    position[0] = begins_at[0] = 0


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
