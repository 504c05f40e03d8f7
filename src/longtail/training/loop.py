"""The loop: epochs of steps, each logged, evaluated where asked for, and kept so that it can be resumed."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from longtail.losses import DeferredReweighting
from longtail.runs import RunFolder
from longtail.training.callbacks import Callback, Plan, Step
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.mixing import Mix
from longtail.training.schedule import learning_rate
from longtail.training.seeds import derive_seed
from longtail.training.state import TrainingState
from longtail.training.stopping import StopRequest, TrainingDivergedError, TrainingStopped, stop_on_signals

if TYPE_CHECKING:
    from lightning_fabric import Fabric

STEPS_BETWEEN_CHECKS = 50


class TrainingLoop:
    """Trains a state to the end of its epochs.

    Args:
        fabric: the engine, launched.
        config: resolved.
        epochs: the batches.
        state: at its beginning, or as a checkpoint left it.
        folder: where the metrics and checkpoints go; only the first process writes.
        evaluate: gives scores of the model, called every `config.evaluate_every` epochs and after the last.
        after_step: called after each step of the optimizer.
        mix: makes other images and targets of a batch, by draws from PyTorch's global generators.
        callbacks: what rides along.
        checkpoint_seconds: time between two checkpoints. With several processes they are taken between epochs only,
            for within one each process holds its own sum of losses.
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
        self.after_step = after_step
        self.mix = mix
        self.callbacks = callbacks
        self.needs_gradients = any(callback.needs_gradients for callback in callbacks)
        self.checkpoint_seconds = checkpoint_seconds
        self.kept_at = time.monotonic()
        self.model, self.optimizer = _wrap(fabric, state, compiled=config.compile == "on")

    def run(self) -> None:
        """Train what is left.

        Raises:
            TrainingStopped: a signal asked for it; a checkpoint of the last step is kept.
            TrainingDivergedError: the loss or the weights are no longer finite.
            OSError: a file could not be written; the former checkpoint is kept.
        """
        plan = Plan(
            self.config,
            self.folder.path,
            len(self.epochs.data),
            tuple(torch.bincount(self.epochs.data.target).tolist()),
            self.epochs.steps,
            self.state.epoch,
            self.state.step,
        )
        try:
            for callback in self.callbacks:
                callback.on_train_start(plan)
            with stop_on_signals(enabled=self.fabric.world_size == 1) as request:
                while self.state.epoch <= self.config.epochs:
                    self._train_epoch(request)
                    self._end_epoch()
                self._keep()
                if request.asked:
                    raise TrainingStopped("Stopped after the last epoch, before its result was written.")
        finally:
            for callback in self.callbacks:
                callback.on_train_end()

    def _train_epoch(self, request: StopRequest) -> None:
        state = self.state
        rate = learning_rate(
            state.epoch,
            base=self.config.learning_rate,
            epochs=self.config.epochs,
            warmup_epochs=self.config.warmup_epochs,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        self.model.train()
        state.criterion.train()
        if isinstance(state.criterion, DeferredReweighting):
            state.criterion.set_epoch(state.epoch)
        start = time.monotonic() - state.seconds
        for images, target in self.epochs.batches(state.epoch, state.step):
            torch.manual_seed(derive_seed(self.config.seed, state.epoch, state.step + 1, self.fabric.global_rank))
            if self.mix is not None:
                images, target = self.mix(images, target)
            logits, loss, gradient = self._step(images, target)
            state.total += loss
            state.step += 1
            state.seconds = time.monotonic() - start
            for callback in self.callbacks:
                callback.on_step_end(Step(state.epoch, state.step, logits, target, loss, rate, gradient))
            self._look_after(request)

    def _step(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        self.optimizer.zero_grad()
        logits = self.model(images)
        if self.needs_gradients:
            logits.retain_grad()
        loss: Tensor = self.state.criterion(logits, target)
        self.fabric.backward(loss)
        self.optimizer.step()
        self.after_step()
        return logits.detach(), loss.detach(), logits.grad if self.needs_gradients else None

    def _look_after(self, request: StopRequest) -> None:
        state = self.state
        if state.step % STEPS_BETWEEN_CHECKS == 0 and not state.total.isfinite():
            raise self._diverged()
        if request.asked:
            self._keep()
            raise TrainingStopped(f"Stopped in epoch {state.epoch} after step {state.step} of {self.epochs.steps}.")
        if self.fabric.world_size == 1:
            self._keep_if_due()

    def _end_epoch(self) -> None:
        state, config = self.state, self.config
        if not state.is_finite():
            raise self._diverged()
        total: Any = (
            self.fabric.all_reduce(state.total, reduce_op="mean") if self.fabric.world_size > 1 else state.total
        )
        metrics: dict[str, float | int | str] = {
            "epoch": state.epoch,
            "loss": float(total) / self.epochs.steps,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "seconds": round(state.seconds, 3),
        }
        due = config.evaluate_every and state.epoch % config.evaluate_every == 0
        if self.fabric.is_global_zero:
            if due or state.epoch == config.epochs:
                metrics |= self.evaluate()
            self.folder.log(**metrics)
        for callback in self.callbacks:
            callback.on_epoch_end(metrics)
        state.begin_next_epoch()
        self._keep_if_due()

    def _keep_if_due(self) -> None:
        if time.monotonic() - self.kept_at >= self.checkpoint_seconds:
            self._keep()

    def _keep(self) -> None:
        if not self.fabric.is_global_zero:
            return
        if not self.state.is_finite():
            raise self._diverged()
        try:
            self.folder.save_checkpoint(self.state.state_dict())
        except OSError as error:
            raise OSError(
                f"The checkpoint of epoch {self.state.epoch}, step {self.state.step} could not be written to "
                f"{self.folder.path}: {error.strerror}. "
                f"{'The former one is kept; mend' if self.folder.has_checkpoint else 'Mend'} that and resume."
            ) from error
        self.kept_at = time.monotonic()

    def _diverged(self) -> TrainingDivergedError:
        rate = self.optimizer.param_groups[0]["lr"]
        return TrainingDivergedError(self.state.epoch, self.state.step, rate, kept=self.folder.has_checkpoint)


def _wrap(fabric: "Fabric", state: TrainingState, *, compiled: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The model and optimizer as the engine runs them; the state keeps the bare ones."""
    model = cast(nn.Module, torch.compile(state.model)) if compiled else state.model
    wrapped, optimizer = fabric.setup(model, state.optimizer)
    return wrapped, optimizer
