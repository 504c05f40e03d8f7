"""Images that are decoded when they are needed, by threads that work ahead: a few batches are in memory."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import sched_getaffinity

import numpy as np
import torch
from torch import Tensor

from longtail.data.contract import Augment
from longtail.transforms import normalise

BATCH = 64
BATCHES_AHEAD = 4


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """A `Split` of images of any origin.

    Attributes:
        load: the image of an index, (size, size, 3) uint8.
        target: (N,) int64, on the device of the network.
        mean, std: per channel, of images in [0, 1].
        memory_format: of the input of the network.
        augment: of a copy in which each image is augmented once; drawn by `seed` and the position.
        seed: of that augmentation.
    """

    load: Callable[[int], np.ndarray]
    target: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    memory_format: torch.memory_format
    augment: Augment | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.target)

    def in_order(self) -> Iterator[Tensor]:
        """All images, for evaluation."""
        parts = [slice(start, start + BATCH) for start in range(0, len(self), BATCH)]
        for part, images in zip(parts, self._decoded(np.arange(len(self)), parts), strict=True):
            yield self._as_input(images, self.augment, self.seed + part.start)

    def batches(
        self,
        order: Tensor,
        parts: Sequence[slice],
        *,
        augment: Augment | None,
        generator: torch.Generator,
        each_once: bool,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As `Split.batches`; the augmentation of a batch is drawn by the epoch and the place of its first sample."""
        seed = _drawn_seed(generator)
        indices = order.cpu().numpy()
        for part, images in zip(parts, self._decoded(indices, parts), strict=True):
            yield self._as_input(images, augment, seed + part.start), self.target[order[part]]

    def augmented(self, augment: Augment | None, generator: torch.Generator) -> "StreamedImages":
        """The same images, each augmented once, when they are decoded."""
        return dataclasses.replace(self, augment=augment, seed=_drawn_seed(generator))

    def pictures(self, indices: np.ndarray) -> list[np.ndarray]:
        """Those images as the network sees them, (size, size, 3) uint8 each."""
        return [self.load(int(index)) for index in indices]

    def _as_input(self, images: np.ndarray, augment: Augment | None, seed: int) -> Tensor:
        batch = torch.from_numpy(images).to(self.target.device).permute(0, 3, 1, 2)
        if augment is not None:
            batch = augment(batch.contiguous(), torch.Generator(batch.device).manual_seed(seed))
        return normalise(batch, self.mean, self.std).contiguous(memory_format=self.memory_format)

    def _decoded(self, indices: np.ndarray, parts: Sequence[slice]) -> Iterator[np.ndarray]:
        """The images of each part, (n, size, size, 3) uint8, a few parts ahead of the one that is asked for."""
        with ThreadPoolExecutor(len(sched_getaffinity(0))) as pool:
            jobs = (partial(self._load_all, indices[part], pool) for part in parts)
            yield from _ahead(jobs)

    def _load_all(self, indices: np.ndarray, pool: ThreadPoolExecutor) -> list["Future[np.ndarray]"]:
        return [pool.submit(self.load, int(index)) for index in indices]


def _ahead(jobs: Iterable[Callable[[], list["Future[np.ndarray]"]]]) -> Iterator[np.ndarray]:
    waiting: deque[list[Future[np.ndarray]]] = deque()
    try:
        for job in jobs:
            waiting.append(job())
            if len(waiting) > BATCHES_AHEAD:
                yield np.stack([future.result() for future in waiting.popleft()])
        while waiting:
            yield np.stack([future.result() for future in waiting.popleft()])
    finally:  # the reader may stop early
        for futures in waiting:
            for future in futures:
                future.cancel()


def _drawn_seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))
