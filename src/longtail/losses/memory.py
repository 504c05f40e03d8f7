"""Statistics that a module learns from the steps of training: buffers, summed over ranks, that can be paused."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from longtail.losses.buffer_precision import KeepsPrecision
from longtail.losses.fused import is_exporting
from longtail.losses.ranks import sum_over_ranks


class Memory(KeepsPrecision):
    """A module whose statistics are float32 buffers, updated in training with gradients on.

    A subclass gives sums over the samples of a forward pass to `contribute`, and adds them to its statistics in
    `update`, which gets them summed over all ranks.
    """

    process_group: dist.ProcessGroup | None

    def remember_from_now(self, process_group: dist.ProcessGroup | None, **statistics: Tensor) -> None:
        """Begin, in `__init__`, with these statistics; `process_group` has the ranks to sum over, `None` is all."""
        self.process_group = process_group
        self._statistics = tuple(statistics)
        self._paused = False
        self._step: tuple[Tensor, ...] | None = None  # the sums of its passes so far, none before the first
        for name, statistic in statistics.items():
            self.register_buffer(name, statistic)

    def update(self, *sums: Tensor) -> None:
        """Add sums over the samples of all ranks to the statistics."""
        raise NotImplementedError

    def contribute(self, *sums: Tensor) -> None:
        """Update the statistics by the sums over a forward pass: at once, or at the end of `one_step`."""
        if self._step is None:
            self.update(*sum_over_ranks(self.process_group, *sums))
        elif self._step:  # not a list of passes: `torch.compile` would compile the loss again for each length
            self._step = tuple(before + own for before, own in zip(self._step, sums, strict=True))
        else:
            self._step = sums

    @contextmanager
    def one_step(self) -> Iterator[None]:
        """Treat the forward passes of the block as one step: all use the statistics that it began with.

        Each rank needs at least one pass. After an error the statistics are left as they were. A block within a block
        is part of its step.
        """
        if self._step is not None:
            with self._part_of_a_step():
                yield
            return
        sums: tuple[Tensor, ...] = ()
        self._step = sums
        try:
            yield
            sums = self._step
        finally:
            self._step = None
        if sums:
            self.update(*sum_over_ranks(self.process_group, *sums))

    @contextmanager
    def _part_of_a_step(self) -> Iterator[None]:
        before = self._step
        try:
            yield
        except BaseException:
            self._step = before
            raise

    def remember(self, **statistics: Tensor) -> None:
        """Put new tensors in the place of statistics, never new values into the old ones.

        The backward pass of a compiled step may compute the margins again from the statistics that the step began with;
        changed in place, these would be the next step's, and the gradients wrong without a word.
        """
        for name, statistic in statistics.items():
            if statistic.dtype != torch.float32:
                statistic = statistic.to(torch.float32)
            if is_exporting():  # an exported program keeps changes in place alone, and has no backward
                self.get_buffer(name).copy_(statistic)
                continue
            self._buffers[name] = statistic if torch.compiler.is_compiling() else _outside_transforms(statistic)

    def reset_statistics(self) -> None:
        """Forget everything: the next step is the first again."""
        for name in self._statistics:
            self.get_buffer(name).zero_()

    @contextmanager
    def pause_statistics(self) -> Iterator[None]:
        """Leave the statistics as they are, for a forward pass that repeats one already counted (SAM, L-BFGS).

        For a loss inside an activation checkpoint use `checkpoint_contexts`.
        """
        paused, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = paused

    def checkpoint_contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """The two contexts of an activation checkpoint around this loss, called once.

        `checkpoint(f, x, use_reentrant=False, context_fn=criterion.checkpoint_contexts)`: when the backward pass runs
        `f` again, the loss sees the statistics that it saw the first time, and counts nothing twice.
        """
        former = {name: self.get_buffer(name).clone() for name in self._statistics}
        return nullcontext(), _Repetition(self, former)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        for name in self._statistics:  # `assign=True` would take over any precision
            self._buffers[name] = self.get_buffer(name).to(torch.float32)


def refuse_vmap(*tensors: Tensor) -> None:
    """Raise within `torch.func.vmap`, where the sums over a batch would be one for each sample, (N, C).

    Raises:
        RuntimeError: a tensor has a dimension that `vmap` hides.
    """
    if torch.compiler.is_compiling() or not torch._C._are_functorch_transforms_active():
        return
    if any(torch.func.debug_unwrap(tensor).shape != tensor.shape for tensor in tensors):
        raise RuntimeError(
            "A loss that learns must not update its statistics within `torch.func.vmap`. Call it within "
            "`criterion.pause_statistics()`."
        )


def _outside_transforms(statistic: Tensor) -> Tensor:
    """The tensor itself; within `torch.func.grad` it is wrapped, and could not be saved or copied afterwards."""
    if not torch._C._are_functorch_transforms_active():
        return statistic
    plain: Tensor = torch.func.debug_unwrap(statistic)
    return plain


class _Repetition(AbstractContextManager[None]):
    """Former statistics in the place of the present ones, and no learning; may be entered again and again."""

    def __init__(self, module: Memory, former: dict[str, Tensor]) -> None:
        self.module = module
        self.former = former

    def __enter__(self) -> None:
        self.entered = ExitStack()
        now = {name: self.module.get_buffer(name) for name in self.former}
        self.entered.callback(self.module._buffers.update, now)
        self.module._buffers.update(self.former)
        self.entered.enter_context(self.module.pause_statistics())

    def __exit__(self, *error: object) -> None:
        self.entered.close()
