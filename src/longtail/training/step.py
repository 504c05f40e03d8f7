"""One training step: forward and backward passes of the parts of a batch, then the update.

Parts and processes do not change the result: the loss is the mean over the whole batch, and a loss that learns counts
one step. Exceptions are what depends on the samples of a pass together (batch norm, the regulariser of LADE, views that
are contrasted with each other) and random draws within a pass (dropout, the noise of GCL and EQL).

The update is skipped where gradients of a scaled loss overflow.

With sharpness-aware minimization the batch passes twice, with the same random draws and statistics of the loss. Logits,
losses and what a loss learns are those of the first pass, the gradient of the update is that of the second.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from longtail.losses.parts import mean_divisor, one_step, statistics_paused
from longtail.losses.ranks import sum_over_ranks
from longtail.training.config import TrainingConfig
from longtail.training.sharpness import buffers_restored, perturbed
from longtail.training.state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class OutputsWithLogits(Protocol):
    """The outputs of a `ModelWithLoss`."""

    @property
    def logits(self) -> Tensor:
        """(N, C)."""
        ...


@runtime_checkable
class ModelWithLoss(Protocol):
    """A model that adds a loss of its own to that of its logits, where it returns more than logits."""

    def loss(self, outputs: Any, target: Tensor) -> Tensor:
        """A scalar, for outputs of the model and the labels (N,)."""
        ...


class Passed(NamedTuple):
    """What a pass of a batch leaves besides gradients.

    Attributes:
        logits: of each part.
        losses: of each part, its share of that of the batch.
        factor: of the gradient of the logits; `None` is 1.
    """

    logits: list[Tensor]
    losses: list[Tensor]
    factor: Tensor | None


class TrainingStep:
    """Trains on one batch per call.

    Args:
        fabric: the engine, launched.
        config: with nothing left open.
        state: has the loss, and counts skipped steps.
        model: wrapped by the engine.
        optimizer: wrapped by the engine.
        after_step: called after each step of the optimizer.
        needs_gradients: whether to return the gradient of the logits.
    """

    def __init__(
        self,
        fabric: "Fabric",
        config: TrainingConfig,
        state: TrainingState,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        after_step: Callable[[], None],
        *,
        needs_gradients: bool,
    ) -> None:
        self.fabric, self.config, self.state = fabric, config, state
        self.model, self.optimizer, self.after_step = model, optimizer, after_step
        self.needs_gradients = needs_gradients
        model_learns = [state.model] if isinstance(state.model, ModelWithLoss) else []
        self.learning = nn.ModuleList([state.criterion, *model_learns])

    def __call__(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits (N, C), loss and, where a callback needs it, the gradient of the logits; all detached."""
        self.optimizer.zero_grad()
        with one_step(self.learning):
            passed = (self._pass_twice if self.config.sam_radius else self._pass)(images, target)
        gradient = self._gradient(passed) if self.needs_gradients else None
        self._update()
        if len(passed.logits) == 1:
            return passed.logits[0].detach(), passed.losses[0], gradient
        return torch.cat(passed.logits).detach(), torch.stack(passed.losses).sum(), gradient

    def _pass_twice(self, images: Tensor, target: Tensor) -> Passed:
        """The first pass; gradients of the weights are those of the second, at `perturbed` weights."""
        device = self.fabric.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            passed = self._pass(images, target)
        trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        model, criterion = self.state.model, self.state.criterion
        with (
            perturbed(model, self.config.sam_radius, trained),
            statistics_paused(self.learning),
            buffers_restored(criterion),  # of a loss of another package, which can't be paused
        ):
            self.optimizer.zero_grad()
            self._pass(images, target)
        return passed

    def _pass(self, images: Tensor, target: Tensor) -> Passed:
        """A forward and a backward pass of the batch, in parts."""
        most = self.config.micro_batch_size or len(images)
        parts = min(max(self.config.accumulate, math.ceil(len(images) / most)), len(images))
        targets = target.tensor_split(parts)
        shares: Sequence[Tensor | None] = [None]
        factor = None
        if parts > 1 or self.fabric.world_size > 1:
            shares, factor = self._shares(targets)
        by_samples = 1.0 if factor is None else 1 / factor
        done = [
            self._backward(
                own, labels, share=share, by_samples=by_samples * len(own) / len(images), last=index == parts - 1
            )
            for index, (own, labels, share) in enumerate(zip(images.tensor_split(parts), targets, shares, strict=True))
        ]
        return Passed([logits for logits, _ in done], [loss for _, loss in done], factor)

    def _shares(self, targets: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """The share of each part of this process in the loss, and the factor of the gradient of its logits.

        DDP averages gradients over the processes, whose weights in the mean of the batch may differ.
        """
        divisors = torch.stack([mean_divisor(self.state.criterion, labels) for labels in targets])
        samples, ranks = divisors.new_tensor(sum(map(len, targets))), self.fabric.world_size
        divisor, all_samples = sum_over_ranks(None, divisors.sum(), samples)
        return list(divisors * (ranks / divisor)), all_samples / (ranks * samples)

    def _backward(
        self, images: Tensor, target: Tensor, *, share: Tensor | None, by_samples: Tensor | float, last: bool
    ) -> tuple[Tensor, Tensor]:
        """Logits of a part and its share of the loss; gradients are added to those of the earlier parts.

        A loss of the model has no class weights: its share is that of the samples, `by_samples`.
        """
        with self.fabric.no_backward_sync(self.model, enabled=not last):  # type: ignore[arg-type]
            outputs = self._outputs(images)
            logits = outputs if isinstance(outputs, Tensor) else outputs.logits
            if self.needs_gradients:
                logits.retain_grad()
            loss: Tensor = self.state.criterion(logits, target)
            if share is not None:
                loss = loss * share
            if not isinstance(outputs, Tensor):
                assert isinstance(self.state.model, ModelWithLoss)
                loss = loss + self.state.model.loss(outputs, target) * by_samples
            self.fabric.backward(loss)
        return logits, loss.detach()

    def _outputs(self, images: Tensor) -> Tensor | OutputsWithLogits:
        try:
            outputs: Tensor | OutputsWithLogits = self.model(images)
        except ValueError as error:
            if len(images) > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                "`batch_size` must leave two samples or more in each part of a batch, for this network has batch norm "
                f"behind maps of 1 x 1. Got a part of 1 (`batch_size` {self.config.batch_size}, `accumulate` "
                f"{self.config.accumulate}). Train with a larger batch, fewer parts, or larger images (`size`)."
            ) from error
        return outputs

    def _gradient(self, passed: Passed) -> Tensor:
        """Of the loss with respect to the logits, as if each process had a share of this size."""
        gradient = torch.cat([part.grad for part in passed.logits if part.grad is not None])
        gradient = gradient if passed.factor is None else gradient * passed.factor
        return gradient if self.state.scaler is None else gradient / self.state.scaler.get_scale()

    def _update(self) -> None:
        scaler, clip_norm = self.state.scaler, self.config.clip_norm
        if clip_norm is not None:
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=clip_norm, error_if_nonfinite=False)
        before = scaler.get_scale() if scaler is not None else 0.0
        self.optimizer.step()
        if scaler is not None and scaler.get_scale() < before:
            self.state.skipped += 1
        self.after_step()
