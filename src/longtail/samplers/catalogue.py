"""The samplers by the names that configurations and command lines use."""

from collections.abc import Callable

from torch import Tensor

from longtail.arguments import check_choice
from longtail.samplers.by_class import (
    ClassBalancedSampler,
    EffectiveNumberSampler,
    ProgressiveSampler,
    SquareRootSampler,
)
from longtail.samplers.class_aware import ClassAwareSampler
from longtail.samplers.contract import LongTailedSampler

SAMPLERS: dict[str, Callable[[Tensor, int, int], LongTailedSampler]] = {
    "class-aware": lambda labels, seed, _: ClassAwareSampler(labels, samples_per_class=4, seed=seed),
    "class-balanced": lambda labels, seed, _: ClassBalancedSampler(labels, seed=seed),
    "square-root": lambda labels, seed, _: SquareRootSampler(labels, seed=seed),
    "progressive": lambda labels, seed, epochs: ProgressiveSampler(labels, epochs=epochs, seed=seed),
    "effective-number": lambda labels, seed, _: EffectiveNumberSampler(labels, seed=seed),
}


def make_sampler(name: str, labels: Tensor, *, seed: int, epochs: int) -> LongTailedSampler:
    """Build a sampler with the settings of its paper.

    Args:
        name: a key of `SAMPLERS`.
        labels: (N,) class indices, on the device that is to draw.
        seed: in [0, 2^32).
        epochs: how many there will be.

    Raises:
        ValueError: no sampler of that name.

    Example:
        >>> import torch
        >>> make_sampler("class-aware", torch.tensor([0, 0, 1]), seed=0, epochs=1).samples_per_class
        4
    """
    check_choice("sampler", name, list(SAMPLERS))
    return SAMPLERS[name](labels, seed, epochs)
