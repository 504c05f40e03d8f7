"""Batches of a Meta Sampler, whose sampling rates are updated before each step by its look-ahead gradient."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from longtail.samplers import ClassBalancedSampler
from longtail.training.epochs import Epochs
from longtail.training.look_ahead import look_ahead_gradient
from longtail.training.meta_sampler import MetaSampler
from longtail.training.seeds import generator_for


@dataclass(frozen=True, kw_only=True)
class MetaSampledEpochs(Epochs):
    """The batches of each epoch, drawn with replacement by a Meta Sampler that learns in each step.

    A batch depends on the previous steps, through the classifier and the rates, so it is drawn when it is asked for.
    Every process draws whole batches and learns the same rates; it trains on its share.

    Attributes:
        meta_sampler: draws the samples.
        classifier: the classifier that is trained.
        criterion: its loss.
        meta_batch_size: number of class-balanced samples from which the rates learn in each step.
        rate: from (epoch, step) to the learning rate of the classifier.
    """

    meta_sampler: MetaSampler
    classifier: nn.Linear
    criterion: nn.Module
    meta_batch_size: int
    rate: Callable[[int, int], float]

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Features and labels of the steps of one epoch, from `first_step` on."""
        balanced = self._balanced(epoch)
        for step in range(first_step, self.steps):
            # The fifth number sets these draws apart. `pasting` has one too, but a second stage does not paste.
            generator = generator_for(self.data.target.device, self.seed, epoch, step + 1, 0, 1)
            draws = self.meta_sampler.draw(self.size, generator)
            batch = self._samples(draws.indices, generator)
            others = self._samples(balanced[step], generator)
            gradient = look_ahead_gradient(self.classifier, self.criterion, batch, others, self.rate(epoch, step))
            self.meta_sampler.learn(draws, gradient)
            yield batch[0][self.share], batch[1][self.share]

    def _balanced(self, epoch: int) -> Tensor:
        """Indices of the class-balanced samples of each step."""
        number = self.steps * self.meta_batch_size
        sampler = ClassBalancedSampler(self.data.target, num_samples=number, seed=self.seed)
        return sampler.indices(epoch - 1).view(self.steps, -1)

    def _samples(self, indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        whole = [slice(0, len(indices))]
        [samples] = self.data.batches(indices, whole, augment=None, generator=generator, each_once=False)
        return samples
