"""Images that are decoded when they are needed, by threads that work ahead; only a few batches are in memory."""

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from longtail.data.ahead import results_ahead
from longtail.data.check import available_cores
from longtail.data.contract import Augment
from longtail.data.images.to_device import to_device
from longtail.transforms import normalise

BATCH = 64


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """A `Split` of images of any origin.

    An image is augmented by the thread that decodes it, with a generator of its own, seeded by its position in the
    epoch: the result does not depend on the batch that it is in.

    Attributes:
        load: returns the image of an index, (size, size, 3) uint8; called from several threads.
        target: (N,) int64 class indices, on the device of the network.
        mean, std: per channel, of images in [0, 1].
        memory_format: of the input of the network.
        augment: of a copy in which each image is augmented once, seeded by `seed` and the index.
        seed: of that augmentation.
        content_of: computes a hash that changes whenever the images do, or `None`; called when it is first needed, for
            it looks at every file.
        places: index that seeds the augmentation of each image in a part of such a copy; by default its own.
        left_out: path and reason for each file that could not be decoded since training began; `load` may return black
            images for them.

    Example:
        >>> pictures = [np.full((8, 8, 3), value, dtype=np.uint8) for value in (0, 255)]
        >>> split = StreamedImages(
        ...     pictures.__getitem__, torch.tensor([0, 1]), (0.5,) * 3, (0.25,) * 3, torch.channels_last
        ... )
        >>> inputs = next(split.in_order())
        >>> inputs.shape, inputs[:, 0, 0, 0].tolist()  # (0 - 0.5) / 0.25 and (1 - 0.5) / 0.25
        (torch.Size([2, 3, 8, 8]), [-2.0, 2.0])
    """

    load: Callable[[int], np.ndarray]
    target: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    memory_format: torch.memory_format
    augment: Augment | None = None
    seed: int = 0
    content_of: Callable[[], str | None] | None = None
    places: np.ndarray | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    @cached_property
    def content(self) -> str | None:
        """Hash that changes whenever the images do; without one, nothing computed from them is kept between runs."""
        try:
            return None if self.content_of is None else self.content_of()
        except FileNotFoundError:  # decoding names the file that is missing
            return None

    def in_order(self) -> Generator[Tensor, None, None]:
        """All images in batches (n, 3, size, size), for evaluation."""
        parts = [slice(start, start + BATCH) for start in range(0, len(self), BATCH)]
        for images in self._decoded(np.arange(len(self)), parts, None, 0):
            yield self.as_input(torch.stack(images))

    def batches(
        self,
        order: Tensor,
        parts: Sequence[slice],
        *,
        augment: Augment | None,
        generator: torch.Generator,
        each_once: bool,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As `Split.batches`; the augmentation of an image is seeded by the epoch and its position in it."""
        seed = drawn_seed(generator)
        for part, images in zip(parts, self._decoded(order.cpu().numpy(), parts, augment, seed), strict=True):
            yield self.as_input(torch.stack(images)), self.target[order[part]]

    def augmented(self, augment: Augment | None, generator: torch.Generator) -> "StreamedImages":
        """The same images, each augmented once as it is decoded."""
        return dataclasses.replace(self, augment=augment, seed=drawn_seed(generator), places=None)

    def take(self, indices: Tensor) -> "StreamedImages":
        """The images at these indices, in their order."""
        chosen = indices.cpu().numpy()
        return dataclasses.replace(
            self,
            load=lambda index: self.load(int(chosen[index])),
            target=self.target[indices],
            content_of=None,
            places=chosen if self.places is None else self.places[chosen],
        )

    def pictures(self, indices: np.ndarray) -> list[np.ndarray]:
        """The images of these indices as the network sees them, (size, size, 3) uint8 each."""
        return [self.load(int(index)) for index in indices]

    def as_input(self, images: Tensor) -> Tensor:
        """The input of the network, normalised float32, from images (n, 3, size, size) uint8."""
        images = to_device(images, self.target.device)
        return normalise(images, self.mean, self.std).contiguous(memory_format=self.memory_format)

    def _decoded(
        self, indices: np.ndarray, parts: Sequence[slice], augment: Augment | None, seed: int
    ) -> Iterator[list[Tensor]]:
        """The images of each part, (3, size, size) uint8, decoded a few parts ahead."""
        with ThreadPoolExecutor(available_cores()) as pool:

            def begin(part: slice) -> list["Future[Tensor]"]:
                positions = range(*part.indices(len(indices)))
                return [pool.submit(self._image, int(indices[p]), augment, seed + p) for p in positions]

            yield from results_ahead(begin(part) for part in parts)

    def _image(self, index: int, augment: Augment | None, seed: int) -> Tensor:
        image = torch.from_numpy(self.load(index)).permute(2, 0, 1)[None]
        place = index if self.places is None else int(self.places[index])
        for change, own_seed in ((self.augment, self.seed + place), (augment, seed)):
            if change is not None:
                image = change(image.contiguous(), torch.Generator().manual_seed(own_seed))
        return image[0]


def drawn_seed(generator: torch.Generator) -> int:
    """A seed in [0, 2^62) drawn from a generator."""
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))
