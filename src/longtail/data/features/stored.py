"""Features as a split, read from their table batch by batch: for tables that are too large to be loaded."""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longtail.data.ahead import results_ahead
from longtail.data.contract import Augment
from longtail.data.features.rows import ROWS_AT_ONCE, FeatureRows


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """A `Split` of features that stay in their table and are read batch by batch.

    Attributes:
        rows: (N, D), one for each sample.
        target: (N,) int64 class indices, on the device of the training.
        moments: mean and scale, (D,) float32 on that device, by which features are standardised as they are read;
            `None` for features as they are.

    Example:
        >>> table = np.arange(6, dtype=np.float16).reshape(3, 2)  # or np.load(path, mmap_mode="r")
        >>> split = StoredFeatures(FeatureRows(table), torch.tensor([0, 0, 1])).take(torch.tensor([2, 0]))
        >>> split.target.tolist(), [features.tolist() for features in split.in_order(batch_size=1)]
        ([1, 0], [[[4.0, 5.0]], [[0.0, 1.0]]])
        >>> next(split.standardised(torch.tensor([2.0, 3.0]), torch.tensor([2.0, 2.0])).in_order()).tolist()
        [[1.0, 1.0], [-1.0, -1.0]]
    """

    rows: FeatureRows
    target: Tensor
    moments: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def num_features(self) -> int:
        """D."""
        return self.rows.shape[1]

    def in_order(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[Tensor]:
        """All samples, (n, D) float32 at a time."""
        for start in range(0, len(self), batch_size):
            yield self._as_input(self.rows.read(slice(start, start + batch_size)))

    def blocks(self) -> Iterator[Tensor]:
        """All rows, from which moments are computed."""
        return self.in_order()

    def batches(
        self,
        order: Tensor,
        parts: Sequence[slice],
        *,
        augment: Augment | None,
        generator: torch.Generator,
        each_once: bool,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As `Split.batches`; a thread reads a few batches ahead, so that a disk works while the step does."""
        indices = order.cpu().numpy()
        with ThreadPoolExecutor(1) as reader:
            jobs = ([reader.submit(self.rows.read, indices[part])] for part in parts)
            for part, (read,) in zip(parts, results_ahead(jobs), strict=True):
                yield self._as_input(read), self.target[order[part]]
        self.rows.give_back()  # the evaluation that follows needs memory for logits

    def augmented(self, augment: Augment | None, generator: torch.Generator) -> "StoredFeatures":
        """The samples themselves, of which there is one view."""
        return self

    def take(self, indices: Tensor) -> "StoredFeatures":
        """The samples at these indices, in their order; nothing is read."""
        return dataclasses.replace(self, rows=self.rows.take(indices.cpu().numpy()), target=self.target[indices])

    def standardised(self, mean: Tensor, scale: Tensor) -> "StoredFeatures":
        """The samples with (features - mean) / scale."""
        return dataclasses.replace(self, moments=(mean, scale))

    def pictures(self, indices: object) -> None:
        """There are none."""

    def _as_input(self, read: np.ndarray) -> Tensor:
        features = torch.from_numpy(read).to(self.target.device).float()
        if self.moments is None:
            return features
        mean, scale = self.moments
        return (features - mean) / scale
