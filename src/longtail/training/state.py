"""The state of a run: all that changes in training, and its checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from longtail.training.callbacks import Callback
from longtail.training.ranks import ALONE, Ranks
from longtail.training.stored_state import load_optimizer

if TYPE_CHECKING:
    from timm.utils import ModelEmaV3


@dataclass
class TrainingState:
    """All that a checkpoint holds.

    Attributes:
        model: without the wrappers of the engine.
        criterion: the loss, whose buffers may learn.
        optimizer: without the wrappers of the engine.
        callbacks: whose state is part of the checkpoint.
        epoch: the current epoch, counted from 1.
        step: number of steps of this epoch that are done.
        total: sum of the losses of these steps, a scalar on the device.
        seconds: duration of these steps.
        notes: for the result, on how the run went.
        average: the moving average of the weights, if there is one.
        scaler: of the loss, in float16.
        skipped: number of these steps that were skipped because gradients of the scaled loss overflowed.
    """

    model: nn.Module
    criterion: nn.Module
    optimizer: torch.optim.Optimizer
    callbacks: Sequence[Callback] = ()
    epoch: int = 1
    step: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    average: "ModelEmaV3 | None" = None
    scaler: "torch.amp.GradScaler | None" = None
    skipped: int = 0

    @property
    def evaluated(self) -> nn.Module:
        """The model to evaluate: with averaged weights if there is an average."""
        return self.model if self.average is None else self.average.module

    def use_average(self) -> None:
        """Load the averaged weights into the model, at the end of training."""
        if self.average is not None:
            self.model.load_state_dict(self.average.module.state_dict())

    def note_left_out(self, name: str, split: object, ranks: Ranks = ALONE) -> None:
        """Add a note for each file that a split could not decode since training began, on any of the ranks."""
        left_out = ranks.gathered(dict(getattr(split, "left_out", {})))
        for path, reason in [pair for own in left_out for pair in own.items()]:
            note = f"{name}: {path} became unreadable during the run and was left out (black in predictions): {reason}"
            if not any(known.startswith(f"{name}: {path} ") for known in self.notes):
                self.notes.append(note)

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and plain values, so that loading it executes nothing."""
        return {
            "model": self.model.state_dict(),
            "criterion": self.criterion.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "callbacks": {type(callback).__name__: callback.state_dict() for callback in self.callbacks},
            "epoch": self.epoch,
            "step": self.step,
            "total": self.total,
            "seconds": self.seconds,
            "notes": list(self.notes),
            "skipped": self.skipped,
            **({} if self.average is None else {"average": self.average.module.state_dict()}),
            **({} if self.scaler is None else {"scaler": self.scaler.state_dict()}),
        }

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.model.load_state_dict(stored["model"])
        self.criterion.load_state_dict(stored["criterion"])
        load_optimizer(self.optimizer, stored["optimizer"])
        for callback in self.callbacks:
            callback.load_state_dict(stored["callbacks"].get(type(callback).__name__, {}))
        self.epoch, self.step, self.seconds = stored["epoch"], stored["step"], stored["seconds"]
        self.total.copy_(stored["total"])
        self.notes, self.skipped = list(stored["notes"]), stored.get("skipped", 0)
        if self.average is not None:
            self.average.module.load_state_dict(stored["average"])
        if self.scaler is not None:
            self.scaler.load_state_dict(stored["scaler"])

    def begin_next_epoch(self) -> None:
        """Advance to the next epoch, and reset all that is counted or summed in an epoch."""
        self.epoch, self.step, self.seconds, self.skipped = self.epoch + 1, 0, 0.0, 0
        self.total.zero_()

    def is_finite(self) -> bool:
        """Whether the losses of this epoch and all weights, averaged ones too, are finite; synchronises the device."""
        averaged = {} if self.average is None else self.average.module.state_dict()
        tensors = [self.total, *self.model.state_dict().values(), *averaged.values()]
        return all(bool(tensor.isfinite().all()) for tensor in tensors)
