"""How long training waits for each batch: whether loading or the step is the bottleneck."""

import time
from collections.abc import Iterator

from torch import Tensor

Batch = tuple[Tensor, Tensor]


class TimedBatches:
    """Iterates over batches and measures how long each was waited for.

    Args:
        batches: input and labels.

    Attributes:
        waited: seconds that the last batch was waited for.

    Example:
        >>> import torch
        >>> batches = TimedBatches(iter([(torch.zeros(2, 3), torch.zeros(2))]))
        >>> [batches.waited >= 0 for _ in batches]
        [True]
    """

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self.waited = 0.0

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        start = time.perf_counter()
        batch = next(self._batches)
        self.waited = time.perf_counter() - start
        return batch
