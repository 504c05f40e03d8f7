"""Images that are augmented as they are decoded: the training split of fine-tuning."""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longtail.data.contract import Augment
from longtail.data.images.device_augmentation import DeviceAugmentation
from longtail.data.images.streamed import BATCH, StreamedImages, drawn_seed
from longtail.data.images.to_device import to_device
from longtail.data.images.workers import Draw, Drawn, draw_batches


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """A `Split` whose images are augmented differently at each position of an epoch.

    Attributes:
        plain: the same samples as evaluation sees them.
        draw: maps the source of a sample and a seed to its image, (size, size, 3) uint8.
        source: maps an index to the path of a file, the bytes of one, or an image in memory.
        size: height and width of the images in pixels.
        workers: number of processes that decode ahead of the step; 0 decodes between the steps.
        skip: leave out files that become unreadable during training, instead of stopping.
        on_device: augments the decoded images in batches, where `draw` does not.
        once: seed of a copy in which each image is augmented once; `None` otherwise.
        places: index that seeds the augmentation of each image in a part of such a copy; by default its own.
    """

    plain: StreamedImages
    draw: Draw
    source: Callable[[int], Any]
    size: int
    workers: int = 0
    skip: bool = False
    on_device: DeviceAugmentation | None = None
    once: int | None = None
    places: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.plain)

    @property
    def target(self) -> Tensor:
        """(N,) int64, on the device of the network."""
        return self.plain.target

    @property
    def content(self) -> str | None:
        """Hash of the files, as `StreamedImages.content`."""
        return self.plain.content

    @property
    def augmentation(self) -> str | None:
        """A description that differs between augmentations; `None` if images are not augmented."""
        if self.on_device is not None:
            return repr(self.on_device)
        return None if getattr(self.draw, "augment", "") == "none" else repr(self.draw)

    @property
    def left_out(self) -> dict[str, str]:
        """Path and reason for each file that could not be decoded since training began."""
        return self.plain.left_out

    def in_order(self) -> Iterator[Tensor]:
        """All images as in evaluation, or augmented if `once` is set."""
        if self.once is None:
            yield from self.plain.in_order()
            return
        draws = self._draws(np.arange(len(self)), self.once)
        parts = [range(start, min(start + BATCH, len(self))) for start in range(0, len(self), BATCH)]
        jobs = ([self._augmented_once(i) for i in part] for part in parts)
        for part, drawn in zip(parts, draw_batches(self.draw, jobs, self.workers), strict=True):
            self._note_bad(drawn, np.array(part))
            images = np.zeros((len(part), self.size, self.size, 3), dtype=np.uint8)  # black where a file is bad
            images[drawn.kept] = drawn.images
            yield self._as_input(images, None if draws is None else draws[part.start : part.stop])

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
        seed, indices = drawn_seed(generator), order.cpu().numpy()
        draws = self._draws(indices, seed)
        jobs = (self._job(indices, part, seed) for part in parts)
        for part, drawn in zip(parts, draw_batches(self.draw, jobs, self.workers), strict=True):
            self._note_bad(drawn, indices[part])
            if not len(drawn.kept):
                raise ValueError(
                    f"a batch must hold an image that can be decoded. All {len(drawn.bad)} of this one have become "
                    f"bad since training began. {next(iter(drawn.bad.values()))} Restore the files and go on with "
                    "--resume."
                )
            target = self.target[order[part]]
            kept = target if not drawn.bad else target[torch.from_numpy(drawn.kept).to(target.device)]
            drawn_here = None if draws is None else draws[part][torch.from_numpy(drawn.kept)]
            yield self._as_input(drawn.images, drawn_here), kept

    def augmented(self, augment: Augment | None, generator: torch.Generator) -> "TrainingImages":
        """The same samples, each augmented once."""
        return dataclasses.replace(self, once=drawn_seed(generator), places=None)

    def take(self, indices: Tensor) -> "TrainingImages":
        """The samples at these indices, in their order."""
        chosen = indices.cpu().numpy()
        return dataclasses.replace(
            self,
            plain=self.plain.take(indices),
            source=lambda index: self.source(int(chosen[index])),
            places=chosen if self.places is None else self.places[chosen],
        )

    def pictures(self, indices: np.ndarray) -> list[np.ndarray]:
        """The images of these indices as evaluation sees them."""
        return self.plain.pictures(indices)

    def _draws(self, indices: np.ndarray, seed: int) -> Tensor | None:
        """The draws of the augmentation on the device, (N, K), for the image at each position of an epoch."""
        if self.on_device is None:
            return None
        if self.once is None:
            return self.on_device.draw(len(indices), seed)
        places = indices if self.places is None else self.places[indices]
        return self.on_device.draw(int(places.max(initial=-1)) + 1, self.once)[torch.from_numpy(places)]

    def _as_input(self, images: np.ndarray, draws: Tensor | None) -> Tensor:
        """The input of the network, from (n, size, size, 3) uint8 and the draws of these images."""
        decoded = to_device(torch.from_numpy(images).permute(0, 3, 1, 2), self.target.device)
        if self.on_device is not None and draws is not None:
            decoded = self.on_device(decoded, draws)
        return self.plain.as_input(decoded)

    def _job(self, indices: np.ndarray, part: slice, seed: int) -> list[tuple[Any, int]]:
        """Source and seed of each sample of a part of an epoch."""
        places = [(position, int(indices[position])) for position in range(*part.indices(len(indices)))]
        if self.once is not None:
            return [self._augmented_once(index) for _, index in places]
        return [(self.source(index), seed + position) for position, index in places]

    def _augmented_once(self, index: int) -> tuple[Any, int]:
        """Source and seed of a sample of a copy in which each image is augmented once."""
        assert self.once is not None
        return self.source(index), self.once + (index if self.places is None else int(self.places[index]))

    def _note_bad(self, drawn: Drawn, samples: np.ndarray) -> None:
        for place, error in drawn.bad.items():
            if not self.skip:
                raise type(error)(
                    f"{error} Restore it and go on with --resume; a new run may leave bad files out with "
                    "--on-bad-file skip."
                )
            source = str(self.source(int(samples[place])))
            if source not in self.left_out:
                logging.getLogger("longtail").warning("left out from now on: %s", error)
            self.left_out[source] = str(error)
