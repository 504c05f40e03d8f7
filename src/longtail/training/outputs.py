"""Outputs of a function, and features of a network, for all samples of a split."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from longtail.data import Split
from longtail.data.check import Progress
from longtail.models import Network
from longtail.training.ranks import ALONE, Ranks

Autocast = Callable[[], AbstractContextManager[Any]]


def outputs_of(
    function: Callable[[Tensor], Tensor],
    split: Split,
    width: int,
    autocast: AbstractContextManager[Any],
    progress: Progress | None = None,
    what: str = "",
    ranks: Ranks = ALONE,
    *,
    everywhere: bool = True,
) -> Tensor:
    """The outputs for all samples in order, (N, width) float32 on the device of the split, without gradients.

    Args:
        function: maps a batch of inputs to (n, width).
        split: the samples; may be empty.
        width: of the outputs.
        autocast: entered around the forward passes.
        progress: called with `what` and its finished share, in [0, 1].
        what: the name of this step.
        ranks: that compute a block of the samples each. By default this process computes them.
        everywhere: whether all ranks get all outputs; otherwise only the first does, the others get (0, width).
    """

    def compute(part: Split) -> Tensor:
        outputs, done = torch.empty(len(part), width, device=part.target.device), 0
        with torch.inference_mode(), autocast:
            for inputs in part.in_order():
                outputs[done : done + len(inputs)] = function(inputs)
                done += len(inputs)
                if progress is not None:
                    progress(what, done / len(part))
        return outputs

    if not len(split):
        return torch.zeros(0, width, device=split.target.device)
    return ranks.rows_of(split, compute, everywhere=everywhere)


def features_of(network: Network, split: Split, autocast: Autocast, ranks: Ranks = ALONE) -> Tensor:
    """The features of all samples in order, (N, D) float32 on the device of each rank; leaves the network in `eval()`.

    Of several ranks each computes a block of the samples.
    """
    network.eval()

    def compute(part: Split) -> Tensor:
        with torch.no_grad(), autocast():
            return joined((network.features(inputs).float() for inputs in part.in_order()), len(part))

    return ranks.rows_of(split, compute, everywhere=True)


def joined(blocks: Iterable[Tensor], number: int) -> Tensor:
    """The rows of all blocks, one or more; unlike `torch.cat` it holds one block beside the result."""
    result, done = None, 0
    for block in blocks:
        if result is None:
            result = block.new_empty(number, *block.shape[1:])
        result[done : done + len(block)] = block
        done += len(block)
    assert result is not None
    return result
