"""One training step: forward and backward passes of the parts of a batch, then the update.

Parts and processes do not change the result: the loss is the mean over the whole batch, and a loss that learns counts
one step. Exceptions are what depends on the samples of a pass together (batch norm, the regulariser of LADE) and random
draws within a pass (dropout, the noise of GCL and EQL).

The update is skipped where gradients of a scaled loss overflow.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from longtail.losses.parts import mean_divisor, one_step
from longtail.losses.ranks import sum_over_ranks
from longtail.training.config import TrainingConfig
from longtail.training.state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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

    def __call__(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits (N, C), loss and, where a callback needs it, the gradient of the logits; all detached."""
        self.optimizer.zero_grad()
        parts = self._number_of_parts(len(images))
        if parts == 1 and self.fabric.world_size == 1:
            done, factor = [self._backward(images, target, share=None, last=True)], None
        else:
            done, factor = self._backward_in_parts(images.tensor_split(parts), target.tensor_split(parts))
        logits, losses = [logits for logits, _ in done], [loss for _, loss in done]
        gradient = self._gradient(logits, factor) if self.needs_gradients else None
        self._update()
        if parts == 1:
            return logits[0].detach(), losses[0], gradient
        return torch.cat(logits).detach(), torch.stack(losses).sum(), gradient

    def _number_of_parts(self, samples: int) -> int:
        most = self.config.micro_batch_size or samples
        return min(max(self.config.accumulate, math.ceil(samples / most)), samples)

    def _backward_in_parts(
        self, images: Sequence[Tensor], target: Sequence[Tensor]
    ) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Logits and loss of each part of this process, and the factor of the gradient of the logits.

        DDP averages gradients over the processes, whose weights in the mean of the batch may differ.
        """
        divisors = torch.stack([mean_divisor(self.state.criterion, labels) for labels in target])
        samples, ranks = divisors.new_tensor(sum(map(len, target))), self.fabric.world_size
        divisor, all_samples = sum_over_ranks(None, divisors.sum(), samples)
        shares = divisors * (ranks / divisor)
        with one_step(self.state.criterion):
            done = [
                self._backward(own, labels, share=share, last=index == len(images) - 1)
                for index, (own, labels, share) in enumerate(zip(images, target, shares, strict=True))
            ]
        return done, all_samples / (ranks * samples)

    def _backward(self, images: Tensor, target: Tensor, *, share: Tensor | None, last: bool) -> tuple[Tensor, Tensor]:
        """Logits of a part and its share of the loss; gradients are added to those of the earlier parts."""
        with self.fabric.no_backward_sync(self.model, enabled=not last):  # type: ignore[arg-type]
            logits = self._logits(images)
            if self.needs_gradients:
                logits.retain_grad()
            loss: Tensor = self.state.criterion(logits, target)
            if share is not None:
                loss = loss * share
            self.fabric.backward(loss)
        return logits, loss.detach()

    def _logits(self, images: Tensor) -> Tensor:
        try:
            logits: Tensor = self.model(images)
        except ValueError as error:
            if len(images) > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                "`batch_size` must leave two samples or more in each part of a batch, for this network has batch norm "
                f"behind maps of 1 x 1. Got a part of 1 (`batch_size` {self.config.batch_size}, `accumulate` "
                f"{self.config.accumulate}). Train with a larger batch, fewer parts, or larger images (`size`)."
            ) from error
        return logits

    def _gradient(self, logits: list[Tensor], factor: Tensor | None) -> Tensor:
        """Of the loss with respect to the logits, as if each process had a share of this size."""
        gradient = torch.cat([part.grad for part in logits if part.grad is not None])
        gradient = gradient if factor is None else gradient * factor
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
