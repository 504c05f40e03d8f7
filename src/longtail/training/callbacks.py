"""Training callbacks, such as recorders and progress bars, and what they are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from longtail.training.config import TrainingConfig


@dataclass(frozen=True)
class Plan:
    """The training that is about to start, as `Callback.on_train_start` gets it.

    Attributes:
        config: the configuration of the run, with no setting left to be chosen.
        folder: the run folder, where a callback may write files of its own.
        samples: number of training samples.
        class_counts: training samples of each class, up to the last class that has any.
        steps: number of steps in an epoch.
        first_epoch: the epoch in which this process starts, counted from 1.
        first_step: number of its steps that are already done.
        of_features: whether the data are features, on which no backbone is used.

    Example:
        >>> import tempfile, numpy as np
        >>> from longtail.recipes import features
        >>> from longtail.training import Callback, run_experiment
        >>> class Announce(Callback):
        ...     def on_train_start(self, plan):
        ...         print(plan.samples, "samples,", plan.class_counts, "by class,", plan.steps, "steps per epoch")
        >>> X, y = np.eye(90, 4, dtype=np.float32), np.repeat(["otter", "seal"], [60, 30])
        >>> config, out = features(epochs=1, batch_size=16), tempfile.mkdtemp() + "/run"
        >>> _ = run_experiment(config, data=(X, y), out=out, callbacks=[Announce()])
        58 samples, (39, 19) by class, 3 steps per epoch
    """

    config: TrainingConfig
    folder: Path
    samples: int
    class_counts: tuple[int, ...]
    steps: int
    first_epoch: int
    first_step: int
    of_features: bool = False


@dataclass(frozen=True)
class Step:
    """One finished step of this process; its tensors are detached.

    Attributes:
        epoch: counted from 1.
        step: in the epoch, counted from 1.
        logits: (N, C).
        target: (N,) class indices, or (N, C) probabilities where images are mixed.
        loss: a scalar; its mean over the processes is the mean loss of the batch.
        learning_rate: of this step, at least 0.
        gradient: (N, C), of the loss with respect to the logits; `None` unless a callback needs it.
        waited: seconds that the step waited for its batch.

    Example:
        >>> import torch
        >>> class CountRight(Callback):
        ...     right = 0
        ...     def on_step_end(self, step):
        ...         self.right += int((step.logits.argmax(1) == step.target).sum())
        >>> callback = CountRight()
        >>> logits, target = torch.tensor([[2.0, 0.0], [0.5, 1.0], [1.0, 3.0]]), torch.tensor([0, 0, 1])
        >>> callback.on_step_end(Step(1, 1, logits, target, loss=torch.tensor(0.4), learning_rate=0.1))
        >>> callback.right
        2
    """

    epoch: int
    step: int
    logits: Tensor
    target: Tensor
    loss: Tensor
    learning_rate: float
    gradient: Tensor | None = None
    waited: float = 0.0


class Callback:
    """Base class of callbacks: hooks that do nothing; override those that you need.

    `state_dict` returns the state that a resumed run needs, as tensors and plain values. It is part of the checkpoint,
    under the name of the class, and is deleted with it when the run is complete. Of several processes the state of the
    first is kept: sums of a process over its steps are added up in `on_train_epoch_end`. Results to keep are written to
    a file in `plan.folder`, in `on_train_end`.

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
        needs_gradients: whether steps hold the gradient of the logits.
    """

    needs_gradients: ClassVar[bool] = False

    def on_train_start(self, plan: Plan) -> None:
        """Before the first step of this process."""

    def on_step_end(self, step: Step) -> None:
        """After the weights have been updated. Reading a value of `step` on a GPU waits for it."""

    def on_train_epoch_end(self) -> None:
        """After the last step of an epoch, before a checkpoint and the evaluation: once, also in a resumed run."""

    def on_epoch_end(self, metrics: Mapping[str, float | int | str]) -> None:
        """After an epoch, with its line of `metrics.jsonl`: epoch, loss, learning_rate, seconds and any test scores."""

    def on_train_end(self) -> None:
        """After the last step, also when training was stopped or failed."""

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Check that all are callbacks, and that no two of them would keep their state under one name.

    Raises:
        TypeError: no list, such as a generator, which could be read only once, or something else than a callback.
        ValueError: two callbacks with a state are of one class.
    """
    if not isinstance(callbacks, (Sequence, Callback, type)):
        raise TypeError(f"`callbacks` must be a list. Got {type(callbacks).__name__}. Pass `callbacks=[…]`.")
    for callback in [callbacks] if isinstance(callbacks, (Callback, type)) else callbacks:
        if not isinstance(callback, Callback):
            made = f" Make one: `{callback.__name__}(…)`." if isinstance(callback, type) else ""
            raise TypeError(f"`callbacks` must hold objects of `longtail.training.Callback`. Got {callback!r}.{made}")
    if isinstance(callbacks, Callback):
        raise TypeError(f"`callbacks` must be a list. Got one {type(callbacks).__name__}. Pass `callbacks=[…]`.")
    # Whether there is a state to keep is a matter of the class: the state itself may begin empty.
    names = [type(own).__name__ for own in callbacks if type(own).state_dict is not Callback.state_dict]
    if len(names) != len(set(names)):
        raise ValueError(f"`callbacks` with a state must be of different classes. Got {', '.join(names)}.")
