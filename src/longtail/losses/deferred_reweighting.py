"""Deferred re-weighting, DRW (Cao et al., "Learning Imbalanced Datasets with LDAM", NeurIPS 2019).

A schedule for any loss: unweighted until the learning rate has fallen, class-balanced weights after it. LDAM-DRW is
LDAM inside it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from longtail.arguments import as_class_indices, check_integer
from longtail.losses.buffer_precision import KeepsPrecision
from longtail.losses.class_balanced import class_balanced_weights, mean_weight
from longtail.losses.contract import LongTailedLoss
from longtail.losses.cross_entropy import weight_for
from longtail.losses.inputs import class_dimension
from longtail.losses.memory import Memory
from longtail.losses.parts import mean_divisor, one_step
from longtail.losses.reduction import divisor_of_mean
from longtail.losses.shifts import ClassCounts


class DeferredReweighting(KeepsPrecision):
    """Wraps a loss and gives it class weights from an epoch on; in `eval()` or without gradients it does not.

    Args:
        criterion: any loss with `weight`, as `nn.CrossEntropyLoss` and all of this library have it; its own weights are
            multiplied.
        class_counts: (C,) training samples of each class.
        start_epoch: the first epoch with weights, counted from 1, as in `set_epoch`.
        beta: β of the class-balanced weights, in [0, 1].

    Raises:
        TypeError: a criterion without class weights.
        ValueError: counts of another number of classes, a count or setting outside what is written above.

    Example:
        >>> criterion = DeferredReweighting(nn.CrossEntropyLoss(), [100, 1], start_epoch=160, beta=0.99)
        >>> logits, target = torch.zeros(2, 2), torch.tensor([0, 1])
        >>> criterion.set_epoch(160)
        >>> criterion(logits, target) == nn.functional.cross_entropy(logits, target, criterion.class_weight)
        tensor(True)

    Source: the paper's deferred re-balancing schedule; β = 0.9999 and epoch 160 of 200 in its code.
    """

    class_weight: Tensor

    def __init__(
        self, criterion: nn.Module, class_counts: ClassCounts, *, start_epoch: int = 161, beta: float = 0.9999
    ) -> None:
        super().__init__()
        check_integer("start_epoch", start_epoch, minimum=1)
        if not isinstance(criterion, nn.CrossEntropyLoss):
            raise TypeError(
                f"`criterion` must be an nn.CrossEntropyLoss or a loss of this library. Got {type(criterion).__name__}."
            )
        self.criterion = criterion
        self.start_epoch = start_epoch
        self.beta = beta
        device = next((buffer.device for buffer in criterion.buffers()), torch.device("cpu"))
        weights = class_balanced_weights(class_counts, beta).to(torch.float32).to(device)
        _check_number_of_classes(criterion, len(weights))
        self.register_buffer("class_weight", weights if criterion.weight is None else weights * criterion.weight)
        self._begun = start_epoch <= 1  # not the epoch: `torch.compile` would compile the loss again in each

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, counted from 1."""
        check_integer("epoch", epoch, minimum=1)
        self._begun = bool(epoch >= self.start_epoch)
        follows = getattr(self.criterion, "set_epoch", None)
        if follows is not None:
            follows(epoch)

    def summary(self) -> dict[str, Tensor]:
        """The class weights, and the summary of the criterion."""
        own = self.criterion.summary() if isinstance(self.criterion, LongTailedLoss) else {}
        return {**own, "class_weight": self.class_weight.detach().cpu().clone()}

    def notes(self) -> list[str]:
        """Those of the criterion."""
        return self.criterion.notes() if isinstance(self.criterion, LongTailedLoss) else []

    def one_step(self) -> AbstractContextManager[None]:
        """Treat the forward passes of the block as one step of a criterion that learns, as `GALALoss.one_step`."""
        return one_step(self.criterion)

    def pause_statistics(self) -> AbstractContextManager[None]:
        """Leave the statistics of a criterion that learns as they are, as `GALALoss.pause_statistics`."""
        return self.criterion.pause_statistics() if isinstance(self.criterion, Memory) else nullcontext()

    def reset_statistics(self) -> None:
        """Let a criterion that learns forget everything, as `GALALoss.reset_statistics`."""
        if isinstance(self.criterion, Memory):
            self.criterion.reset_statistics()

    def checkpoint_contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """The two contexts of an activation checkpoint around this loss, as `GALALoss.checkpoint_contexts`."""
        if isinstance(self.criterion, Memory):
            return self.criterion.checkpoint_contexts()
        return nullcontext(), nullcontext()

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the criterion; in training, with the weights of the epoch."""
        if isinstance(target, Tensor) and not target.is_floating_point():
            target = as_class_indices("target", target)
        if not self._reweights:
            return self._loss(input, target)
        weight = self._weights_for(target)
        if isinstance(input, Tensor) and not isinstance(self.criterion, LongTailedLoss):
            weight = weight_for(input, weight)
        with self._class_weights(weight):
            return self._loss(input, target)

    def linear(self, features: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Tensor:
        """The loss of a linear classifier without its logits, as `LongTailedLoss.linear`, for a criterion that has it.

        Raises:
            TypeError: the criterion is not a loss of this library.
            ValueError, TypeError, IndexError: as `linear` of the criterion.
        """
        if not isinstance(self.criterion, LongTailedLoss):
            raise TypeError(
                f"`criterion` must be a loss of this library that has `linear`. Got {type(self.criterion).__name__}. "
                "For cross-entropy use `LogitAdjustmentLoss(class_counts, tau=0)`."
            )
        with self._class_weights(self.class_weight) if self._reweights else nullcontext():
            return self.criterion.linear(features, weight, bias, target)

    def mean_divisor(self, target: Tensor) -> Tensor:
        """What the mean is divided by in this epoch, as `LongTailedLoss.mean_divisor`."""
        if not self._reweights:
            return mean_divisor(self.criterion, target)
        with self._class_weights(self.class_weight):
            divisor = mean_divisor(self.criterion, target)
        if not target.is_floating_point():
            return divisor
        # A divisor other than the number of samples already contains the class weights.
        number = divisor_of_mean(target, None, self.criterion.ignore_index)
        return torch.where(divisor == number, divisor * mean_weight(target, self.class_weight), divisor)

    def _weights_for(self, target: Tensor) -> Tensor:
        """The class weights; for a mean over probabilities, divided by their mean over the batch.

        Dividing the loss would also scale what is no mean over samples, such as the regulariser of LADE. A loss that
        divides by its weights is the same for any multiple of them. A target that does not fit is left to the loss.
        """
        soft = isinstance(target, Tensor) and target.is_floating_point() and target.dim()
        fits = soft and target.shape[class_dimension(target)] == len(self.class_weight)
        if self.criterion.reduction != "mean" or not fits:
            return self.class_weight
        return self.class_weight / mean_weight(target, self.class_weight)

    @contextmanager
    def _class_weights(self, weight: Tensor) -> Iterator[None]:
        own, self.criterion.weight = self.criterion.weight, weight  # put back, so that no checkpoint depends on it
        try:
            yield
        finally:
            self.criterion.weight = own

    @property
    def _reweights(self) -> bool:
        return self._begun and self._is_training()

    def _is_training(self) -> bool:
        return self.training and (torch.is_grad_enabled() or getattr(self.criterion, "margins_without_grad", False))

    def _loss(self, input: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.criterion(input, target)
        return loss

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"start_epoch={self.start_epoch}, beta={self.beta}"


def _check_number_of_classes(criterion: nn.CrossEntropyLoss, counted: int) -> None:
    """Raise if the criterion is known to have another number of classes than were counted."""
    own = None if criterion.weight is None else len(criterion.weight)
    known = criterion.num_classes if isinstance(criterion, LongTailedLoss) else own
    if known not in (None, counted):
        raise ValueError(
            f"`class_counts` must hold {known} classes, as `criterion` does. Got {counted}. If the last classes have "
            f"no training sample: `longtail.data.class_counts(labels, num_classes={known})`."
        )
