"""What is independent within a class: samples, or the part of each group in it."""

from typing import NamedTuple

import numpy as np


class Units(NamedTuple):
    """Independent units of labelled samples.

    Attributes:
        label: (U,) class indices.
        weight: (U,) weights, summed over the samples of a unit.
        member: (U,) the group of each unit; None if every sample is a unit.
        place: (N,) the unit of each sample; None if every sample is one.
    """

    label: np.ndarray
    weight: np.ndarray
    member: np.ndarray | None = None
    place: np.ndarray | None = None

    def means(self, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """(U,) means of values (N,) with the weights (N,) of the samples."""
        return values if self.place is None else np.bincount(self.place, weight * values) / self.weight

    def effective_sizes(self, num_classes: int) -> np.ndarray:
        """(C,) (Σ w)² / Σ w² (Kish, "Survey Sampling", 1965); 1 for a class without a unit."""
        total, square = (np.bincount(self.label, self.weight**power, num_classes) for power in (1, 2))
        return np.divide(total**2, square, out=np.ones(num_classes), where=square > 0)


def independent_units(label: np.ndarray, weight: np.ndarray, groups: np.ndarray | None) -> Units:
    """The units of samples with labels, weights and, where samples are not independent, groups, (N,) each."""
    if groups is None:
        return Units(label, weight)
    _, member = np.unique(groups, return_inverse=True)
    cell, place = np.unique(np.stack([label, member]), axis=1, return_inverse=True)
    place = place.ravel()
    return Units(cell[0], np.bincount(place, weight, cell.shape[1]), cell[1], place)
