"""Augmentation of decoded images in whole batches, on the device of the network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from longtail.data.images.file_augmentation import RATIO, SCALE, SCALES
from longtail.transforms.rand_augment import colour_jitter, rand_augment
from longtail.transforms.resized_crop import DRAWS, random_resized_crop

LARGER = 8 / 7
"""Side of the decoded images over that of the crops: 256 for 224."""
OPERATIONS = 2
POLICIES: dict[str, tuple[int, Callable[[Tensor, Tensor], Tensor]]] = {
    "light": (0, lambda images, _: images),
    "imagenet": (3, colour_jitter),
    "randaugment-n2-m10": (
        3 * OPERATIONS,
        lambda images, drawn: rand_augment(images, drawn.reshape(-1, OPERATIONS, 3)),
    ),
}
"""What follows crop and flip: the number of random draws for each image, and the function that uses them."""


@dataclass(frozen=True)
class DeviceAugmentation:
    """Crops, flips and augments a batch by draws for each image, so that the result does not depend on the batch.

    Attributes:
        augment: a key of `POLICIES`.
        size: height and width of the crops in pixels.

    Example:
        >>> augment = DeviceAugmentation("imagenet", 28)
        >>> images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
        >>> augment(images, augment.draw(2, seed=0)).shape
        torch.Size([2, 3, 28, 28])
    """

    augment: str
    size: int

    @property
    def source_size(self) -> int:
        """Height and width of the decoded images."""
        return round(self.size * LARGER)

    def draw(self, number: int, seed: int) -> Tensor:
        """Random draws (number, K) in [0, 1), one row for each image."""
        extra, _ = POLICIES[self.augment]
        return torch.rand((number, DRAWS + extra), generator=torch.Generator().manual_seed(seed))

    def __call__(self, images: Tensor, drawn: Tensor) -> Tensor:
        """(n, 3, size, size) uint8 from (n, 3, S, S) uint8 and the rows of `draw` for these images."""
        _, policy = POLICIES[self.augment]
        scale = SCALES.get(self.augment, SCALE)
        return policy(random_resized_crop(images, drawn, self.size, scale=scale, ratio=RATIO), drawn[:, DRAWS:])
