"""Tells the losses within a module which epoch begins and which forward passes are one step."""

from contextlib import ExitStack

from torch import nn

from longtail.losses.contract import LongTailedLoss
from longtail.losses.deferred_reweighting import DeferredReweighting
from longtail.losses.parts import one_step
from longtail.losses.probabilistic_contrastive import ProbabilisticContrastiveLoss

KINDS = (LongTailedLoss, DeferredReweighting, ProbabilisticContrastiveLoss)


class LossesWithin:
    """The losses of this library within a module, and the step that they are in.

    Args:
        module: a loss, or a module that holds losses.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._step: ExitStack | None = None

    def found(self) -> list[LongTailedLoss | DeferredReweighting | ProbabilisticContrastiveLoss]:
        """The losses, those within others too."""
        return [loss for loss in self.module.modules() if isinstance(loss, KINDS)]

    def set_epoch(self, epoch: int) -> None:
        """Tell the losses which epoch begins, counted from 1."""
        for loss in self.found():
            loss.set_epoch(epoch)

    def begin_step(self) -> None:
        """Begin a step, unless one has begun."""
        if self._step is None:
            self._step = ExitStack()
            self._step.enter_context(one_step(self.module))

    def end_step(self) -> None:
        """Let the losses learn from the passes of the step."""
        if self._step is not None:
            step, self._step = self._step, None
            step.close()

    def drop_step(self) -> None:
        """Discard the passes of a step that failed."""
        if self._step is not None:
            step, self._step = self._step, None
            step.__exit__(InterruptedError, None, None)
