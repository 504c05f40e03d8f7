"""Class-aware sampling, CAS (Shen et al., "Relay Backpropagation", ECCV 2016; code of Kang et al., ICLR 2020).

Each round draws all classes in random order, and `samples_per_class` samples of each. The samples of a class are drawn
in a shuffled cycle, so that all of them come equally often. The official sampler continues its cycles from epoch to
epoch; here each epoch starts new ones, so that it is a function of (seed, epoch).
"""

from typing import Any

import torch
from torch import Tensor

from longtail.arguments import check_integer
from longtail.samplers.contract import LongTailedSampler


class ClassAwareSampler(LongTailedSampler):
    """Every class equally often, and within a class every sample.

    Args:
        labels: as in `LongTailedSampler`; classes without a sample take no part.
        samples_per_class: consecutive draws of one class, at least 1; 4 in the official code.
        **arguments: as in `LongTailedSampler`.

    Example:
        >>> sampler = ClassAwareSampler([0] * 90 + [1] * 10, samples_per_class=2, num_samples=8)
        >>> (sampler.indices(epoch=0) >= 90).view(-1, 2).all(1).sum().item()  # two of four pairs are of class 1
        2
    """

    def __init__(self, labels: Any, samples_per_class: int = 1, **arguments: Any) -> None:
        check_integer("samples_per_class", samples_per_class, minimum=1)
        super().__init__(labels, **arguments)
        self.samples_per_class = samples_per_class

    def indices(self, epoch: int) -> Tensor:
        """The draws of a whole epoch, over all ranks."""
        generator, device = self.generator(epoch), self.labels.device
        present = self.class_counts.nonzero().squeeze(1)
        together = self.samples_per_class
        rounds = -(-self.num_samples // (len(present) * together))
        order = torch.rand((rounds, len(present)), generator=generator, device=device).argsort(1)
        cycles = self._cycles(present, rounds * together, generator)
        turns = torch.arange(rounds, device=device)[:, None, None] * together + torch.arange(together, device=device)
        return cycles[order[:, :, None], turns].flatten()[: self.num_samples]

    def _cycles(self, present: Tensor, draws: int, generator: torch.Generator) -> Tensor:
        """For each class as many draws as asked: its samples in a shuffled order, then in another, (classes, draws)."""
        counts = self.class_counts[present]
        passes = -(-draws // counts)
        sizes = passes * counts
        which = torch.arange(len(present), device=counts.device).repeat_interleave(sizes)
        starts = sizes.cumsum(0) - sizes
        place = torch.arange(len(which), device=counts.device) - starts[which]
        key = torch.rand(len(which), generator=generator, device=counts.device, dtype=torch.float64)
        # Sorted by class, then pass, then at random: a new order of the class's samples in every pass.
        shuffled = (which * (passes.max() + 1) + place // counts[which] + key).argsort()
        samples = self._by_class[self._starts[present][which] + place % counts[which]][shuffled]
        return samples[starts[:, None] + torch.arange(draws, device=counts.device)]
