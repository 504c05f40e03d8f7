"""A batch whose parts pass through the loss one after the other, or on several ranks: its mean and its one step."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from longtail.losses.memory import Memory
from longtail.losses.reduction import divisor_of_mean


def mean_divisor(criterion: nn.Module, target: Tensor) -> Tensor:
    """What the mean loss of a part is divided by, so that Σ mean_i · divisor_i / Σ divisor_i is the mean of the batch.

    Args:
        criterion: a loss of this library or `nn.CrossEntropyLoss`, with `reduction="mean"`; of any other module the
            samples count alike. The regulariser of LADE is not a mean over samples: parts have their own.
        target: of a part, class indices or probabilities.

    Returns:
        A scalar, float32: the weights of the samples, or their number.

    Example:
        >>> mean_divisor(nn.CrossEntropyLoss(torch.tensor([1.0, 5.0])), torch.tensor([0, 1, 1]))
        tensor(11.)
    """
    own = getattr(criterion, "mean_divisor", None)
    if own is not None:
        divisor: Tensor = own(target)
        return divisor
    if isinstance(criterion, nn.CrossEntropyLoss):
        return divisor_of_mean(target, criterion.weight, criterion.ignore_index)
    return torch.full((), len(target), dtype=torch.float32, device=target.device)


@contextmanager
def one_step(criterion: nn.Module) -> Iterator[None]:
    """Within the block, let each loss with memory in `criterion` treat all forward passes as one step.

    Example:
        >>> from longtail.losses import GALALoss
        >>> criterion, logits, target = GALALoss(3), torch.zeros(4, 3, requires_grad=True), torch.tensor([0, 0, 1, 2])
        >>> with one_step(criterion):
        ...     parts = [criterion(logits[half], target[half]) for half in (slice(0, 2), slice(2, 4))]
        >>> criterion.theta
        tensor([1.3333, 0.6667, 0.6667])
    """
    with ExitStack() as stack:
        for loss in _with_memory(criterion):
            stack.enter_context(loss.one_step())
        yield


@contextmanager
def statistics_paused(criterion: nn.Module) -> Iterator[None]:
    """Within the block, let no loss with memory in `criterion` count what it sees: samples that were counted before.

    Example:
        >>> from longtail.losses import GALALoss
        >>> criterion = GALALoss(3)
        >>> with statistics_paused(criterion):
        ...     loss = criterion(torch.zeros(4, 3, requires_grad=True), torch.tensor([0, 0, 1, 2]))
        >>> criterion.theta
        tensor([0., 0., 0.])
    """
    with ExitStack() as stack:
        for loss in _with_memory(criterion):
            stack.enter_context(loss.pause_statistics())
        yield


def _with_memory(criterion: nn.Module) -> list[Memory]:
    return [module for module in criterion.modules() if isinstance(module, Memory)]
