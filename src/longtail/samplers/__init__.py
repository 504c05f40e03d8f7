"""Which sample comes next: samplers for long-tailed data, seeded, distributed, resumable inside an epoch.

>>> from longtail.samplers import ClassAwareSampler
>>> labels = [0] * 90 + [1] * 9 + [2]
>>> sampler = ClassAwareSampler(labels, num_samples=6, seed=0)
>>> sorted(labels[index] for index in sampler)
[0, 0, 1, 1, 2, 2]
"""

from longtail.samplers.by_class import (
    ClassBalancedSampler,
    EffectiveNumberSampler,
    PowerSampler,
    ProgressiveSampler,
    SquareRootSampler,
)
from longtail.samplers.catalogue import SAMPLERS, make_sampler
from longtail.samplers.class_aware import ClassAwareSampler
from longtail.samplers.contract import LongTailedSampler

__all__ = [
    "SAMPLERS",
    "ClassAwareSampler",
    "ClassBalancedSampler",
    "EffectiveNumberSampler",
    "LongTailedSampler",
    "PowerSampler",
    "ProgressiveSampler",
    "SquareRootSampler",
    "make_sampler",
]
