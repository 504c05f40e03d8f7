"""Context-rich minority oversampling: boxes of class-balanced images are pasted into the images of some steps.

CMO: Park et al., "The Majority Can Help the Minority: Context-rich Minority Oversampling for Long-tailed
Classification", CVPR 2022. Settings are those of the authors' code: patches are drawn with equal probability for each
class (a sample has the weight 1 / n, with n the samples of its class; in the paper the probability of the class is
∝ 1 / n), a step pastes with probability 1/2, and none does in the first four and the last three epochs. Runs of fewer
than 100 epochs have proportionally fewer epochs without pasting; this is our choice, since the paper trains for 100
epochs and more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from longtail.samplers import ClassBalancedSampler
from longtail.samplers.contract import SEEDS
from longtail.training.epochs import Epochs
from longtail.training.seeds import derive_seed
from longtail.transforms import cmo

PROBABILITY = 0.5
EPOCHS_WITHOUT = 4, 3
"""At the beginning and at the end, for 100 epochs or more."""
OF_PASTING = 1
"""Last number of the seeds, which sets these draws apart from others of the same epoch and step."""


@dataclass(frozen=True, kw_only=True)
class PastedEpochs(Epochs):
    """The batches of each epoch; those of steps that paste have probabilities as labels.

    Draws are a function of (seed, epoch, step), the same on all processes: together they see what one would see.

    Attributes:
        num_classes: C.
        alpha: α > 0 of the Beta distribution of the share of an image that is not pasted over.
        epochs: number of epochs of the run.
    """

    num_classes: int
    alpha: float
    epochs: int

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and labels of the steps of one epoch, from `first_step` on."""
        pastes = self._steps_that_paste(epoch)
        if not any(pastes):
            yield from super().batches(epoch, first_step)
            return
        generator = self.generator(epoch)
        order = self._with_patches(self.order(epoch, generator), epoch, pastes)
        parts = self._parts(pastes)[first_step:]
        batches = self.data.batches(order, parts, augment=self.augment, generator=generator, each_once=False)
        for step, (part, (images, target)) in enumerate(zip(parts, batches, strict=True), first_step):
            complete = len(images) == part.stop - part.start  # else a file could not be decoded, and pairs are unknown
            yield self._pasted(images, target, epoch, step) if pastes[step] and complete else (images, target)

    def notes(self) -> list[str]:
        """That no step of the run pastes, where there are few."""
        if any(any(self._steps_that_paste(epoch)) for epoch in range(1, self.epochs + 1)):
            return []
        return ["no step pasted images (cmo): the run has too few steps. Train longer, or in smaller batches"]

    def _steps_that_paste(self, epoch: int) -> list[bool]:
        first, last = (min(without, without * self.epochs // 100) for without in EPOCHS_WITHOUT)
        if not first < epoch <= self.epochs - last:
            return [False] * self.steps
        generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch, 0, 0, OF_PASTING))
        drawn: list[bool] = (torch.rand(self.steps, generator=generator) < PROBABILITY).tolist()
        return drawn

    def _with_patches(self, order: Tensor, epoch: int, pastes: Sequence[bool]) -> Tensor:
        """The order in which each sample of a step that pastes is followed by its patch."""
        seed = derive_seed(self.seed, 0, 0, 0, OF_PASTING) % SEEDS
        patches = ClassBalancedSampler(self.data.target, num_samples=len(order), seed=seed).indices(epoch - 1)
        size = self.size
        rows = []
        for step, with_patches in enumerate(pastes):
            own = order[step * size : (step + 1) * size]
            drawn = patches[step * size : (step + 1) * size]
            rows.append(torch.stack([own, drawn], 1).flatten() if with_patches else own)
        return torch.cat(rows)

    def _parts(self, pastes: Sequence[bool]) -> list[slice]:
        """The slice of that order that this process takes in each step."""
        parts, start = [], 0
        for with_patches in pastes:
            each = 2 if with_patches else 1
            parts.append(slice(start + each * self.share.start, start + each * self.share.stop))
            start += each * self.size
        return parts

    def _pasted(self, images: Tensor, target: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(self.seed, epoch, step + 1, 0, OF_PASTING))
            return cmo(images[::2], target[::2], images[1::2], target[1::2], self.num_classes, alpha=self.alpha)
