"""Small images that stay on the device as bytes; an epoch's worth is augmented at once, when the epoch starts."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from longtail.samplers import LongTailedSampler
from longtail.training.seeds import generator_for
from longtail.transforms import auto_augment, cutout, normalise, random_crop, random_flip

AUGMENT: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "crop": lambda images, generator: random_crop(images, images.shape[-1] // 8, generator),
    "flip": random_flip,
    "auto_augment": auto_augment,
    "cutout": lambda images, generator: cutout(images, images.shape[-1] // 2, generator),
}


@dataclass(frozen=True)
class SmallImages:
    """Labelled images: (N, C, H, W) uint8 and (N,) int64 on one device, and how they become input."""

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

    def chosen(self, indices: Tensor) -> "SmallImages":
        """Those images, in that order, repeated where an index is."""
        return dataclasses.replace(self, images=self.images[indices], target=self.target[indices])

    def augmented(self, augmentations: tuple[str, ...], generator: torch.Generator) -> "SmallImages":
        """A copy in which every image has been augmented, in its place."""
        images = self.images
        for name in augmentations:
            images = AUGMENT[name](images, generator)
        return dataclasses.replace(self, images=images)


@dataclass(frozen=True)
class Epochs:
    """The batches of each epoch: a function of (seed, epoch), so that a resumed run sees the same.

    With several processes each takes its share of every batch; together they see what one process would.
    """

    data: SmallImages
    augmentations: tuple[str, ...]
    batch_size: int
    seed: int
    rank: int = 0
    processes: int = 1
    sampler: LongTailedSampler | None = None

    @property
    def steps(self) -> int:
        """Batches an epoch; a last partial one is dropped."""
        return len(self.data) // self.batch_size

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and labels of the steps of one epoch, from `first_step` on."""
        device = self.data.images.device
        generator = generator_for(device, self.seed, epoch)
        if self.sampler is None:
            order = torch.randperm(len(self.data), generator=generator, device=device)
            epoch_data = self.data.augmented(self.augmentations, generator)
        else:  # an image that is drawn twice is augmented twice
            drawn = self.sampler.indices(epoch - 1)
            order = torch.arange(len(drawn), device=device)
            epoch_data = self.data.chosen(drawn).augmented(self.augmentations, generator)
        share = self.batch_size // self.processes
        for step in range(first_step, self.steps):
            start = step * self.batch_size + self.rank * share
            chosen = order[start : start + share]
            yield self.data.as_input(epoch_data.images[chosen]), epoch_data.target[chosen]
