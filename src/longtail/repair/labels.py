"""Labels of samples, how much each counts, and which are independent."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from longtail.repair.independent_units import Units, independent_units


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled samples, with what is computed once for all decisions on them.

    Attributes:
        target: (N,) class indices.
        num_classes: C.
        weight: (N,) how much each sample counts.
        groups: (N,) samples of one group are not independent of each other; None if all samples are independent.
    """

    target: np.ndarray
    num_classes: int
    weight: np.ndarray
    groups: np.ndarray | None = None

    @classmethod
    def of(
        cls, target: np.ndarray, num_classes: int, *, weight: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> "Labels":
        """Labels whose samples count alike if `weight` is None."""
        return cls(target, num_classes, np.ones(len(target)) if weight is None else weight, groups)

    @cached_property
    def units(self) -> Units:
        """What is independent within a class."""
        return independent_units(self.target, self.weight, self.groups)

    @cached_property
    def support(self) -> np.ndarray:
        """(C,) weight of the samples of each class."""
        return np.bincount(self.target, self.weight, self.num_classes)

    @cached_property
    def effective_sizes(self) -> np.ndarray:
        """(C,) effective sample sizes of the classes."""
        return self.units.effective_sizes(self.num_classes)

    @cached_property
    def by_size(self) -> np.ndarray:
        """The classes that have a sample, from the smallest effective size to the largest."""
        present = np.flatnonzero(self.support > 0)
        return np.asarray(present[np.argsort(self.effective_sizes[present], kind="stable")])

    def class_means(self, values: np.ndarray) -> np.ndarray:
        """(C,) means of values (U,) of the units; 0 for a class without samples."""
        held = np.bincount(self.units.label, self.units.weight * values, self.num_classes)
        return np.asarray(np.divide(held, self.support, out=np.zeros(self.num_classes), where=self.support > 0))
