"""Small images that stay on the device as bytes; an epoch's worth is augmented at once, when the epoch starts."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longtail.data.contract import Augment
from longtail.transforms import normalise


@dataclass(frozen=True, eq=False)
class ResidentImages:
    """A `Split` of labelled images in memory.

    Attributes:
        images: (N, C, H, W) uint8.
        target: (N,) int64 class indices, on the same device.
        mean, std: (C,) per channel, of images in [0, 1].
        memory_format: of the input of the network.

    Example:
        >>> images = torch.full((3, 1, 8, 8), 255, dtype=torch.uint8)
        >>> split = ResidentImages(images, torch.tensor([0, 0, 1]), (0.5,), (0.25,), torch.contiguous_format)
        >>> inputs = next(split.in_order(batch_size=2))
        >>> inputs.shape, inputs.max().item()  # (1 - 0.5) / 0.25
        (torch.Size([2, 1, 8, 8]), 2.0)
        >>> [picture.shape for picture in split.pictures(np.array([0, 2]))]
        [(8, 8, 1), (8, 8, 1)]
    """

    images: Tensor
    target: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    memory_format: torch.memory_format

    def __len__(self) -> int:
        return len(self.target)

    def as_input(self, images: Tensor) -> Tensor:
        """What the network takes."""
        return normalise(images, self.mean, self.std).contiguous(memory_format=self.memory_format)

    def in_order(self, batch_size: int = 500) -> Iterator[Tensor]:
        """All images as they are, for evaluation."""
        for images in torch.split(self.images, batch_size):
            yield self.as_input(images)

    def batches(
        self,
        order: Tensor,
        parts: Sequence[slice],
        *,
        augment: Augment | None,
        generator: torch.Generator,
        each_once: bool,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As `Split.batches`; the whole epoch is augmented before the first batch."""
        drawn = self if each_once else self.take(order)  # an image that is drawn twice is augmented twice
        drawn = drawn.augmented(augment, generator)
        place = order if each_once else torch.arange(len(order), device=order.device)
        for part in parts:
            chosen = place[part]
            yield self.as_input(drawn.images[chosen]), drawn.target[chosen]

    def augmented(self, augment: Augment | None, generator: torch.Generator) -> "ResidentImages":
        """A copy in which every image has been augmented, in its place."""
        return self if augment is None else dataclasses.replace(self, images=augment(self.images, generator))

    def pictures(self, indices: np.ndarray) -> list[np.ndarray]:
        """Those images, (H, W, channels) uint8 each."""
        return [image.permute(1, 2, 0).cpu().numpy() for image in self.images[torch.as_tensor(indices)]]

    def take(self, indices: Tensor) -> "ResidentImages":
        """The images at these indices, in their order."""
        return dataclasses.replace(self, images=self.images[indices], target=self.target[indices])
