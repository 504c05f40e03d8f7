"""The losses by the names that configurations and command lines use."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from longtail.arguments import check_choice
from longtail.losses.balanced_softmax import BalancedSoftmaxLoss
from longtail.losses.gala import GALALoss


@dataclass(frozen=True)
class Entry:
    """One loss: its module, whether that takes class counts (or else their number), settings of its paper, source."""

    module: Callable[..., nn.Module]
    counts: bool
    source: str
    settings: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def _cross_entropy(num_classes: int, weight: Tensor | None = None, *, label_smoothing: float = 0.0) -> nn.Module:
    return nn.CrossEntropyLoss(weight, label_smoothing=label_smoothing)


LOSSES = {
    "ce": Entry(_cross_entropy, counts=False, source="cross-entropy, as in PyTorch"),
    "balanced-softmax": Entry(BalancedSoftmaxLoss, counts=True, source="Ren et al., NeurIPS 2020"),
    "gala": Entry(
        GALALoss,
        counts=False,
        source="Zhang et al., ICASSP 2024",
        settings=MappingProxyType({"lambda_positive": 1.2, "form": "released", "accumulate": "released"}),
    ),
}


def paper_settings(name: str) -> dict[str, Any]:
    """The arguments with which a loss ran in its paper.

    Raises:
        ValueError: no loss of that name.

    Example:
        >>> paper_settings("gala")
        {'lambda_positive': 1.2, 'form': 'released', 'accumulate': 'released'}
    """
    check_choice("loss", name, list(LOSSES))
    return dict(LOSSES[name].settings)


def make_loss(name: str, class_counts: Tensor, **arguments: Any) -> nn.Module:
    """Build a loss for a training set of these class counts.

    Args:
        name: a key of `LOSSES`.
        class_counts: (C,) training samples of each class.
        **arguments: as the module takes them.

    Raises:
        ValueError: no loss of that name, no argument of that name, or a value that the loss refuses.

    Example:
        >>> import torch
        >>> make_loss("gala", torch.tensor([90, 10]), lambda_positive=1.0).lambda_positive
        1.0
    """
    check_choice("loss", name, list(LOSSES))
    entry = LOSSES[name]
    known = list(inspect.signature(entry.module).parameters)[1:]
    for argument in arguments:
        if argument not in known:
            raise ValueError(f"`loss_arguments` of {name!r} must be among {', '.join(known)}. Got {argument!r}.")
    try:
        return entry.module(class_counts if entry.counts else len(class_counts), **arguments)
    except TypeError as error:
        raise ValueError(f"`loss_arguments` of {name!r}: {error}") from error
