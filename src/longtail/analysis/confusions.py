"""Which classes are taken for which: between groups of classes, and the worst pairs."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Confusion(NamedTuple):
    """Samples of one class that are taken for another.

    Attributes:
        true: the class that they are of.
        predicted: the class that they are taken for.
        number: how many.
        share: of the class's samples.
        samples: their places in the set.
    """

    true: int
    predicted: int
    number: int
    share: float
    samples: np.ndarray


def confusion_flow(target: np.ndarray, predicted: np.ndarray, groups: Mapping[str, np.ndarray]) -> np.ndarray:
    """(G, G) mean over the classes of group g of the share of their samples that is taken for a class of group h.

    Right predictions are left out: what is on the diagonal is taken for another class of the same group.

    Args:
        target: (N,) class indices.
        predicted: (N,) class indices.
        groups: name to (C,) booleans.

    Returns:
        NaN in the row of a group without samples.

    Example:
        >>> groups = {"many": np.array([True, False]), "few": np.array([False, True])}
        >>> confusion_flow(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), groups)
        array([[0. , 0. ],
               [0.5, 0. ]])
    """
    members = np.array(list(groups.values()))
    num_classes = members.shape[1]
    support = np.bincount(target, minlength=num_classes)
    wrong = target != predicted
    flow = np.full((len(members), len(members)), np.nan)
    for row, own in enumerate(members):
        present = own & (support > 0)
        if not present.any():
            continue
        weight = np.where(present, 1 / np.maximum(support, 1), 0)[target] / present.sum()
        for column, other in enumerate(members):
            flow[row, column] = (weight * wrong * other[predicted]).sum()
    return flow


def worst_confusions(target: np.ndarray, predicted: np.ndarray, most: int = 10) -> list[Confusion]:
    """The pairs of classes of which the largest share is confused, the larger count first where shares are level.

    Args:
        target: (N,) class indices.
        predicted: (N,) class indices.
        most: at most so many.

    Example:
        >>> worst = worst_confusions(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0]), most=1)[0]
        >>> worst.true, worst.predicted, worst.share
        (1, 0, 1.0)
    """
    support = np.bincount(target)
    wrong = np.flatnonzero(target != predicted)
    pairs, place = np.unique(np.stack([target[wrong], predicted[wrong]], axis=1), axis=0, return_inverse=True)
    counts = np.bincount(place.ravel(), minlength=len(pairs))
    shares = counts / support[pairs[:, 0]]
    order = np.lexsort((-counts, -shares))[:most]
    return [
        Confusion(int(pairs[i, 0]), int(pairs[i, 1]), int(counts[i]), float(shares[i]), wrong[place.ravel() == i])
        for i in order
    ]
