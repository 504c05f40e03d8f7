"""Losses that learn from the batches of training, by class."""

from typing import Unpack

import torch
from torch import Tensor
from torch import distributed as dist

from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.fused import Received
from longtail.losses.memory import Memory, refuse_vmap


class MemoryArguments(CrossEntropyArguments, total=False):
    """The keyword arguments of every loss with memory."""

    process_group: dist.ProcessGroup | None


class LossWithMemory(LongTailedLoss, Memory):
    """A loss whose statistics are float32 buffers (C,), updated in training with gradients on.

    A subclass computes sums over the samples of a forward pass in `learn`, gives them to `contribute`, and adds them to
    its statistics in `update`.

    Args:
        num_classes: C, at least 2.
        weight: (C,) class weights.
        statistics: the names of the buffers; they start at 0.
        process_group: the ranks that statistics are summed over; `None` is all.
        **arguments: as in `LongTailedLoss`.
    """

    observes = True

    def __init__(
        self,
        num_classes: int,
        weight: Tensor | None = None,
        *,
        statistics: tuple[str, ...],
        process_group: dist.ProcessGroup | None = None,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        super().__init__(num_classes, weight, **arguments)
        self.remember_from_now(
            process_group, **{name: torch.zeros(num_classes, dtype=torch.float32) for name in statistics}
        )

    def learn(self, log_probs: Tensor, target: Tensor) -> None:
        """Contribute the sums over one batch of this rank."""
        raise NotImplementedError

    def learn_received(self, received: Received) -> None:
        """Contribute the sums over one batch of this rank that the fused path has found; for a loss with `margins`."""
        raise NotImplementedError

    def observe(self, log_probs: Tensor, target: Tensor) -> None:
        """Learn, unless paused."""
        if not self._paused:
            refuse_vmap(log_probs, target)
            self.learn(log_probs, target)

    def observe_received(self, received: Received) -> None:
        """Learn, unless paused."""
        if not self._paused:
            self.learn_received(received)
