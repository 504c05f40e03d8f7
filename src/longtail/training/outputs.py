"""What a function gives for all samples of a split, with progress."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from longtail.data import Split
from longtail.models import Network

Autocast = Callable[[], AbstractContextManager[Any]]


def outputs_of(
    function: Callable[[Tensor], Tensor],
    split: Split,
    width: int,
    autocast: AbstractContextManager[Any],
    progress: Callable[[str, float], None] | None = None,
    what: str = "",
) -> Tensor:
    """(N, width) float32 on the device of the split, of all samples in their order; without gradients.

    Args:
        function: from a batch of inputs to (n, width).
        split: of the samples; may be empty.
        width: of the outputs.
        autocast: entered around the forward passes.
        progress: is told `what` is done, and the share of it.
        what: the name of the work.
    """
    parts, done = [torch.zeros(0, width, device=split.target.device)], 0
    with torch.inference_mode(), autocast:
        for inputs in split.in_order():
            parts.append(function(inputs).float())
            done += len(inputs)
            if progress is not None:
                progress(what, done / len(split))
    return torch.cat(parts)


def features_of(network: Network, split: Split, autocast: Autocast) -> Tensor:
    """(N, D) float32 on the device, of all samples as they are; the network is left in `eval()`."""
    network.eval()
    with torch.no_grad(), autocast():
        return torch.cat([network.features(inputs).float() for inputs in split.in_order()])
