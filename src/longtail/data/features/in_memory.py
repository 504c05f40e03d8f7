"""Features as a split: a table of numbers per sample, in several views where samples were augmented before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from longtail.data.contract import Augment
from longtail.data.features.rows import ROWS_AT_ONCE


@dataclass(frozen=True, eq=False)
class FeatureViews:
    """A `Split` of features in memory: one view of each sample, or several, made by augmentation.

    Attributes:
        features: (V, N, D) float32, V ≥ 1 views of each sample; evaluation takes the first, training draws one.
        target: (N,) int64 class indices, on the same device.

    Example:
        >>> split = FeatureViews(torch.tensor([[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]]), torch.tensor([0, 0, 1]))
        >>> order, generator = torch.tensor([2, 0, 1]), torch.Generator().manual_seed(0)
        >>> parts = [slice(0, 2), slice(2, 3)]  # batches of two
        >>> for features, target in split.batches(order, parts, augment=None, generator=generator, each_once=True):
        ...     print(features.tolist(), target.tolist())
        [[4.0, 5.0], [0.0, 1.0]] [1, 0]
        [[2.0, 3.0]] [0]
    """

    features: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)

    @property
    def num_features(self) -> int:
        """D."""
        return self.features.shape[2]

    def in_order(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[Tensor]:
        """The first view of all samples."""
        yield from torch.split(self.features[0], batch_size)

    def blocks(self) -> Iterator[Tensor]:
        """The rows of all views, from which moments are computed."""
        yield from torch.split(self.features.flatten(0, 1), ROWS_AT_ONCE)

    def batches(
        self,
        order: Tensor,
        parts: Sequence[slice],
        *,
        augment: Augment | None,
        generator: torch.Generator,
        each_once: bool,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As `Split.batches`: of each draw one of its views, at random."""
        view = torch.randint(len(self.features), (len(order),), generator=generator, device=self.features.device)
        for part in parts:
            yield self.features[view[part], order[part]], self.target[order[part]]

    def augmented(self, augment: Augment | None, generator: torch.Generator) -> "FeatureViews":
        """One view of each sample, at random."""
        if len(self.features) == 1:
            return self
        view = torch.randint(len(self.features), (len(self),), generator=generator, device=self.features.device)
        chosen = self.features[view, torch.arange(len(self), device=view.device)]
        return FeatureViews(chosen[None], self.target)

    def take(self, indices: Tensor) -> "FeatureViews":
        """The samples at these indices, in their order."""
        return FeatureViews(self.features[:, indices], self.target[indices])

    def standardised(self, mean: Tensor, scale: Tensor) -> "FeatureViews":
        """The samples with (features - mean) / scale."""
        return FeatureViews((self.features - mean) / scale, self.target)

    def pictures(self, indices: object) -> None:
        """There are none."""
