"""The training loop: epochs of steps, with logging, evaluation and checkpoints."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from longtail.runs import RunFolder
from longtail.training.callbacks import Callback, Plan, Step
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.mixing import Mix
from longtail.training.ranks import Ranks
from longtail.training.schedule import rate_of_step
from longtail.training.seeds import derive_seed
from longtail.training.state import TrainingState
from longtail.training.step import TrainingStep
from longtail.training.stopping import StopRequest, TrainingDivergedError, TrainingStopped, stop_on_signals
from longtail.training.waiting import TimedBatches
from longtail.training.writing import not_written

if TYPE_CHECKING:
    from lightning_fabric import Fabric

STEPS_BETWEEN_CHECKS = 50


@runtime_checkable
class FollowsEpochs(Protocol):
    """A loss or model that changes in the course of training."""

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins or goes on, counted from 1."""
        ...


class TrainingLoop:
    """Trains the remaining epochs of a state.

    Args:
        fabric: the engine, launched.
        config: with nothing left open.
        epochs: the batches.
        state: new, or restored from a checkpoint.
        folder: gets metrics and checkpoints, from the first process only.
        evaluate: returns scores of the model; called every `config.evaluate_every` epochs and after the last, by all
            processes, of which the first has the scores.
        after_step: called after each step of the optimizer.
        mix: mixes images and targets of a batch, drawing from PyTorch's global generators.
        callbacks: called at their hooks, in this order.
        checkpoint_seconds: time between two checkpoints. With several processes they are written after the last step of
            an epoch only, since within an epoch each process has its own sum of losses. One that is due then is written
            before the evaluation, whose failure must not lose the epoch.
    """

    def __init__(
        self,
        fabric: "Fabric",
        config: TrainingConfig,
        epochs: Epochs,
        state: TrainingState,
        folder: RunFolder,
        evaluate: Callable[[], dict[str, float]],
        after_step: Callable[[], None] = lambda: None,
        mix: Mix | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint_seconds: float = 60.0,
    ) -> None:
        self.fabric = fabric
        self.config = config
        self.epochs = epochs
        self.state = state
        self.folder = folder
        self.evaluate = evaluate
        self.mix = mix
        self.callbacks = callbacks
        self.checkpoint_seconds = checkpoint_seconds
        self.saved_at = time.monotonic()
        self.model, self.optimizer = _wrap(fabric, state, compiled=config.compile == "on")
        needs_gradients = any(callback.needs_gradients for callback in callbacks)
        self.step = TrainingStep(
            fabric, config, state, self.model, self.optimizer, after_step, needs_gradients=needs_gradients
        )

    def run(self) -> None:
        """Train the remaining epochs.

        Raises:
            TrainingStopped: a signal asked for it; a checkpoint of the last step is kept.
            TrainingDivergedError: the loss or the weights are no longer finite.
            OSError: a file could not be written; the last checkpoint is kept.
        """
        plan = Plan(
            self.config,
            self.folder.path,
            len(self.epochs.data),
            tuple(torch.bincount(self.epochs.data.target).tolist()),
            self.epochs.steps,
            self.state.epoch,
            self.state.step,
            self.folder.of_features,
        )
        started: list[Callback] = []
        try:
            for callback in self.callbacks:
                callback.on_train_start(plan)
                started.append(callback)
            with stop_on_signals(enabled=self.fabric.world_size == 1) as request:
                while self.state.epoch <= self.config.epochs:
                    self._train_epoch(request)
                    self._end_epoch()
                self._save_checkpoint()
                if request.asked:
                    raise TrainingStopped("Stopped after the last epoch, before its result was written.")
        finally:
            for callback in started:
                callback.on_train_end()

    def _train_epoch(self, request: StopRequest) -> None:
        state = self.state
        self.model.train()
        state.criterion.train()
        for part in (state.criterion, state.model):
            if isinstance(part, FollowsEpochs):
                part.set_epoch(state.epoch)
        start = time.monotonic() - state.seconds
        batches = TimedBatches(self._batches(request))
        for images, target in batches:
            rate = self._set_rate()
            torch.manual_seed(derive_seed(self.config.seed, state.epoch, state.step + 1, self.fabric.global_rank))
            if self.mix is not None:
                images, target = self.mix(images, target)
            logits, loss, gradient = self.step(images, target)
            state.total += loss
            state.step += 1
            if state.average is not None:
                state.average.update(state.model, step=(state.epoch - 1) * self.epochs.steps + state.step)
            state.seconds = time.monotonic() - start
            for callback in self.callbacks:
                callback.on_step_end(
                    Step(state.epoch, state.step, logits, target, loss, rate, gradient, batches.waited)
                )
            if state.step == self.epochs.steps:
                self._add_up()
            self._stop_or_save(request)

    def _add_up(self) -> None:
        """Add up what each process has summed in an epoch: the checkpoint that may follow is that of the first."""
        if self.fabric.world_size > 1:
            self.state.total.copy_(cast(Tensor, self.fabric.all_reduce(self.state.total, reduce_op="mean")))
        for callback in self.callbacks:
            callback.on_train_epoch_end()

    def _batches(self, request: StopRequest) -> Iterator[tuple[Tensor, Tensor]]:
        """The remaining batches of the epoch. A signal to the process group also ends the workers: not an error."""
        try:
            yield from self.epochs.batches(self.state.epoch, self.state.step)
        except ChildProcessError:
            if not request.asked:
                raise
            self._stop()

    def _set_rate(self) -> float:
        rate = self._rate(self.state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        return rate

    def _rate(self, step: int) -> float:
        config = self.config
        return rate_of_step(
            config.schedule,
            self.state.epoch,
            step,
            base=config.learning_rate,
            epochs=config.epochs,
            warmup_epochs=config.warmup_epochs,
            steps=self.epochs.steps,
        )

    def _stop_or_save(self, request: StopRequest) -> None:
        state = self.state
        if state.step % STEPS_BETWEEN_CHECKS == 0 and not state.total.isfinite():
            raise self._diverged()
        if request.asked:
            self._stop()
        if self.fabric.world_size == 1:
            self._save_if_due()

    def _stop(self) -> NoReturn:
        self._save_checkpoint()
        state = self.state
        raise TrainingStopped(f"Stopped in epoch {state.epoch} after step {state.step} of {self.epochs.steps}.")

    def _end_epoch(self) -> None:
        state, config = self.state, self.config
        if not state.is_finite():
            raise self._diverged()
        metrics: dict[str, float | int | str] = {
            "epoch": state.epoch,
            "loss": float(state.total) / self.epochs.steps,
            "learning_rate": self._rate(state.step - 1),
            "seconds": round(state.seconds, 3),
        }
        if state.scaler is not None:
            metrics |= {"skipped_steps": state.skipped, "loss_scale": state.scaler.get_scale()}
        state.note_left_out("train", self.epochs.data, Ranks.of(self.fabric))
        due = config.evaluate_every and state.epoch % config.evaluate_every == 0
        if due or state.epoch == config.epochs:
            self._save_if_due()
            metrics |= self.evaluate()
        if self.fabric.is_global_zero:
            with self._naming("metrics"):
                self.folder.log(**metrics)
        for callback in self.callbacks:
            callback.on_epoch_end(metrics)
        state.begin_next_epoch()
        self._save_if_due()

    def _save_if_due(self) -> None:
        if time.monotonic() - self.saved_at >= self.checkpoint_seconds:
            self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        if not self.fabric.is_global_zero:
            return
        self.state.note_left_out("train", self.epochs.data)
        if not self.state.is_finite():
            raise self._diverged()
        with self._naming("checkpoint"):
            self.folder.save_checkpoint(self.state.state_dict())
        self.saved_at = time.monotonic()

    @contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        """Let an error in writing say of which epoch and step `what` could not be written."""
        try:
            yield
        except OSError as error:
            of_the_step = f"The {what} of epoch {self.state.epoch}, step {self.state.step}"
            said = f"{of_the_step} could not be written to {self.folder.path}"
            raise not_written(said, self.folder, error) from error

    def _diverged(self) -> TrainingDivergedError:
        rate = self.optimizer.param_groups[0]["lr"]
        return TrainingDivergedError(self.state.epoch, self.state.step, rate, kept=self.folder.has_checkpoint)


def _wrap(fabric: "Fabric", state: TrainingState, *, compiled: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The model and optimizer as the engine runs them; the state keeps the bare ones."""
    if not any(parameter.requires_grad for parameter in state.model.parameters()):
        return state.model, state.optimizer  # nothing is trained: DDP refuses such a model
    model = cast(nn.Module, torch.compile(state.model)) if compiled else state.model
    wrapped, optimizer = fabric.setup(model, state.optimizer)
    return wrapped, optimizer
