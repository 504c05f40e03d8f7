"""The samples of each step: a function of (seed, epoch), so that a resumed run sees the same ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from longtail.data import Augment, Split
from longtail.samplers import LongTailedSampler, make_sampler
from longtail.training.config import TrainingConfig
from longtail.training.seeds import generator_for
from longtail.transforms import auto_augment, cutout, random_crop, random_flip

AUGMENT: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "crop": lambda images, generator: random_crop(images, images.shape[-1] // 8, generator),
    "flip": random_flip,
    "auto_augment": auto_augment,
    "cutout": lambda images, generator: cutout(images, images.shape[-1] // 2, generator),
}


def augmentation(names: Sequence[str], channels: int) -> Augment | None:
    """A function that applies the named augmentations in order; `None` for no names.

    Raises:
        ValueError: one of them does not suit images of so many channels.
    """
    if not names:
        return None
    if channels == 1 and "auto_augment" in names:
        raise ValueError('`augmentations` of grey images must leave out "auto_augment", which is for colours.')

    def augment(images: Tensor, generator: torch.Generator) -> Tensor:
        for name in names:
            images = AUGMENT[name](images, generator)
        return images

    return augment


@dataclass(frozen=True)
class Epochs:
    """The batches of each epoch.

    Each of several processes takes its share of every batch; together they see what one process would see. Shares
    differ by one sample at most.

    Attributes:
        data: the training samples.
        augment: of the images of a batch.
        batch_size: over all processes.
        seed: of the run.
        rank: of this process.
        processes: number of processes.
        sampler: draws the samples; by default each comes once per epoch, in random order.
    """

    data: Split
    augment: Augment | None
    batch_size: int
    seed: int
    rank: int = 0
    processes: int = 1
    sampler: LongTailedSampler | None = None

    @property
    def steps(self) -> int:
        """Batches per epoch; a last partial one is dropped, unless it is the only one."""
        return max(1, len(self.data) // self.batch_size)

    @property
    def size(self) -> int:
        """Samples of a step, over all processes."""
        return min(self.batch_size, len(self.data))

    @property
    def share(self) -> slice:
        """The part of a step that this process takes."""
        return slice(*(self.size * rank // self.processes for rank in (self.rank, self.rank + 1)))

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and labels of the steps of one epoch, from `first_step` on."""
        generator, share = self.generator(epoch), self.share
        order = self.order(epoch, generator)
        starts = [step * self.size for step in range(first_step, self.steps)]
        return self.data.batches(
            order,
            [slice(start + share.start, start + share.stop) for start in starts],
            augment=self.augment,
            generator=generator,
            each_once=self.sampler is None,
        )

    def generator(self, epoch: int) -> torch.Generator:
        """The generator of an epoch, on the device of the labels; it draws the order first."""
        return generator_for(self.data.target.device, self.seed, epoch)

    def order(self, epoch: int, generator: torch.Generator) -> Tensor:
        """(N,) indices of the samples of an epoch, over all processes."""
        if self.sampler is None:
            return torch.randperm(len(self.data), generator=generator, device=generator.device)
        return self.sampler.indices(epoch - 1)


def epochs_of(
    config: TrainingConfig, train: Split, augment: Augment | None, rank: int = 0, processes: int = 1
) -> Epochs:
    """The batches of the training samples.

    Raises:
        ValueError: the batch size does not suit the samples or the processes, or there are more processes than samples.
    """
    check_batches(config, len(train), processes)
    sampler = None
    if config.sampler != "shuffle":
        sampler = make_sampler(config.sampler, train.target, seed=config.seed, epochs=config.epochs)
    return Epochs(train, augment, config.batch_size, config.seed, rank, processes, sampler)


def check_batches(config: TrainingConfig, samples: int, processes: int = 1) -> None:
    """Check that batches of the training samples can be made.

    Args:
        config: has the batch size.
        samples: number of training samples.
        processes: how many processes share each batch.

    Raises:
        ValueError: the batch size does not suit the samples or the processes, or there are more processes than samples.
    """
    if processes > samples:
        raise ValueError(f"There must be at least one training sample per process. Got {samples} for {processes}.")
    if config.batch_size == 0:  # chosen by the number of samples
        return
    if config.batch_size > samples and not config.ONE_BATCH_WILL_DO:
        raise ValueError(
            f"`batch_size` must be at most {samples}, the number of training samples. Got {config.batch_size}. "
            f"Pass --batch-size {max(processes, samples // 2)}."
        )
    if config.batch_size < processes:
        raise ValueError(
            f"`batch_size` must be at least {processes}, a sample for each process. Got {config.batch_size}. "
            f"Pass --batch-size {processes} or more, or start fewer processes."
        )
    if config.accumulate * processes > config.batch_size:
        raise ValueError(
            f"`accumulate` must be at most {config.batch_size // processes}, the samples of a batch that each process "
            f"has. Got {config.accumulate}."
        )
