"""Samplers that draw a class, then one of its samples, all with replacement: they differ in how likely a class is.

Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020: p_c ∝ n_c^q with q = 1
instance-balanced, ½ square-root, 0 class-balanced; progressively balanced mixes the two ends by the epoch. Effective
numbers: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
"""

from typing import Any

import torch
from torch import Tensor

from longtail.arguments import check_fraction, check_integer, check_strength
from longtail.samplers.contract import LongTailedSampler


class PowerSampler(LongTailedSampler):
    """p_c ∝ n_c^q over the classes that have samples.

    Args:
        labels: as in `LongTailedSampler`.
        power: q ≥ 0; 1 is instance-balanced, 0 class-balanced.
        **arguments: as in `LongTailedSampler`.

    Raises:
        ValueError: a power whose weights overflow, or as in `LongTailedSampler`.

    Example:
        >>> sampler = PowerSampler([0] * 81 + [1], power=0.5)
        >>> sampler.class_probabilities(epoch=0)
        tensor([0.9000, 0.1000], dtype=torch.float64)
    """

    def __init__(self, labels: Any, power: float, **arguments: Any) -> None:
        check_strength("power", power)
        super().__init__(labels, **arguments)
        self.power = power
        if not (self.class_counts.double() ** power).sum().isfinite():
            raise ValueError(
                f"`power` must leave weights n^q that float64 holds. Got {power} for a class of "
                f"{int(self.class_counts.max()):,} samples."
            )

    def class_probabilities(self, epoch: int) -> Tensor:
        """(C,) float64 on the device of the labels; 0 for a class without a sample."""
        weights = self.class_counts.double() ** self.power * (self.class_counts > 0)
        return weights / weights.sum()

    def indices(self, epoch: int) -> Tensor:
        """The draws of a whole epoch, over all ranks."""
        generator, device = self.generator(epoch), self.labels.device
        uniform = torch.rand((2, self.num_samples), generator=generator, device=device, dtype=torch.float64)
        probabilities = self.class_probabilities(epoch)
        classes = torch.searchsorted(probabilities.cumsum(0), uniform[0], right=True)
        last = int(probabilities.nonzero()[-1])  # the sum of probabilities may fall short of 1 by its rounding
        return self.samples_of(classes.clamp_(max=last), uniform[1])


class ClassBalancedSampler(PowerSampler):
    """Every class equally likely, q = 0; for a balance that is exact in every epoch see `ClassAwareSampler`.

    Example:
        >>> ClassBalancedSampler([0] * 9 + [1]).class_probabilities(epoch=0)
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    def __init__(self, labels: Any, **arguments: Any) -> None:
        super().__init__(labels, 0.0, **arguments)


class SquareRootSampler(PowerSampler):
    """q = ½.

    Example:
        >>> SquareRootSampler([0] * 9 + [1]).class_probabilities(epoch=0)
        tensor([0.7500, 0.2500], dtype=torch.float64)
    """

    def __init__(self, labels: Any, **arguments: Any) -> None:
        super().__init__(labels, 0.5, **arguments)


class ProgressiveSampler(PowerSampler):
    """Instance-balanced at first, class-balanced at last: p = (1 − t/T) n_c/N + (t/T)/C with t the epoch.

    Args:
        labels: as in `LongTailedSampler`.
        epochs: T ≥ 1; epochs are counted from 0, and from T on the draw is class-balanced.
        **arguments: as in `LongTailedSampler`.

    Example:
        >>> sampler = ProgressiveSampler([0] * 9 + [1], epochs=2)
        >>> [sampler.class_probabilities(epoch).tolist() for epoch in range(3)]
        [[0.9, 0.1], [0.7, 0.3], [0.5, 0.5]]
    """

    def __init__(self, labels: Any, epochs: int, **arguments: Any) -> None:
        check_integer("epochs", epochs, minimum=1)
        super().__init__(labels, 1.0, **arguments)
        self.epochs = epochs

    def class_probabilities(self, epoch: int) -> Tensor:
        """(C,) float64 of one epoch."""
        instance = super().class_probabilities(epoch)
        present = (self.class_counts > 0).double()
        return torch.lerp(instance, present / present.sum(), min(epoch / self.epochs, 1.0))


class EffectiveNumberSampler(PowerSampler):
    """Each sample of class c with the weight (1 − β) / (1 − β^{n_c}).

    Args:
        labels: as in `LongTailedSampler`.
        beta: β in [0, 1]; 0 is instance-balanced, 1 the limit, class-balanced.
        **arguments: as in `LongTailedSampler`.

    Example:
        >>> EffectiveNumberSampler([0] * 9 + [1], beta=0.0).class_probabilities(epoch=0)
        tensor([0.9000, 0.1000], dtype=torch.float64)
    """

    def __init__(self, labels: Any, beta: float = 0.9999, **arguments: Any) -> None:
        check_fraction("beta", beta)
        super().__init__(labels, 1.0, **arguments)
        self.beta = beta

    def class_probabilities(self, epoch: int) -> Tensor:
        """(C,) float64; the same in every epoch."""
        counts = self.class_counts.double()
        beta = torch.tensor(self.beta, dtype=torch.float64, device=counts.device)
        effective = counts if self.beta == 1 else -torch.expm1(counts * beta.log()) / (1 - beta)
        weights = torch.where(counts > 0, counts / effective, 0.0)
        return weights / weights.sum()
