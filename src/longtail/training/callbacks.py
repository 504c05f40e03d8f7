"""What rides on training: recorders, progress, logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from longtail.training.config import TrainingConfig


@dataclass(frozen=True)
class Plan:
    """What is about to happen.

    Attributes:
        config: resolved.
        folder: the run folder, where a callback may write files of its own.
        samples: training images.
        class_counts: of each class, up to the last that has one.
        steps: steps of one epoch.
        first_epoch: the epoch that this process begins in, from 1.
        first_step: how many of its steps are already done.
    """

    config: TrainingConfig
    folder: Path
    samples: int
    class_counts: tuple[int, ...]
    steps: int
    first_epoch: int
    first_step: int


@dataclass(frozen=True)
class Step:
    """One step that has just been taken, counted from 1; of this process, detached.

    Logits are (N, C), targets (N,), or (N, C) probabilities where images are mixed. The gradient of the loss with
    respect to the logits, (N, C), is there if a callback needs it.
    """

    epoch: int
    step: int
    logits: Tensor
    target: Tensor
    loss: Tensor
    learning_rate: float
    gradient: Tensor | None = None


class Callback:
    """Hooks that do nothing; override what you need.

    What a callback must remember when a run is resumed goes into `state_dict`, as tensors and plain values; it is
    found again in `load_state_dict` under the name of the class, until the run is complete. What is to stay goes into
    a file of `plan.folder`, in `on_train_end`.

    Example:
        >>> class Losses(Callback):
        ...     def on_train_start(self, plan):
        ...         self.losses, self.path = [], plan.folder / "losses.txt"
        ...
        ...     def on_epoch_end(self, metrics):
        ...         self.losses.append(str(metrics["loss"]))
        ...
        ...     def on_train_end(self):
        ...         self.path.write_text(" ".join(self.losses))

    Attributes:
        needs_gradients: whether steps are to hold the gradient of the logits.
    """

    needs_gradients: ClassVar[bool] = False

    def on_train_start(self, plan: Plan) -> None:
        """Before the first step of this process."""

    def on_step_end(self, step: Step) -> None:
        """After the weights have been updated. Reading a value of `step` on a GPU waits for it."""

    def on_epoch_end(self, metrics: Mapping[str, float | int | str]) -> None:
        """After an epoch has been logged: epoch, loss, learning_rate, seconds; test_top1 and more if it was tested."""

    def on_train_end(self) -> None:
        """After the last step, also when training was stopped or failed."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive the end of the process."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""


def check_states(callbacks: Sequence[Callback]) -> None:
    """See that no two callbacks would keep their state under one name.

    Raises:
        ValueError: two of one class.
    """
    names = [type(callback).__name__ for callback in callbacks if callback.state_dict()]
    if len(names) != len(set(names)):
        raise ValueError(f"`callbacks` with a state must be of different classes. Got {', '.join(names)}.")
