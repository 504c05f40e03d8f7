"""Stratified folds that do not split groups, and the fits of a nested cross-validation."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Splits:
    """The fits of a nested cross-validation: on all folds, on all but one, and on all but two.

    Predictions on a fold come from the fit without it; their τ is chosen with the fits that lack a second fold, scored
    on that second fold.

    Attributes:
        fold: (N,) fold of each sample, in [0, K).
        number: K, at least 3.
    """

    fold: np.ndarray
    number: int

    @cached_property
    def left_out(self) -> tuple[tuple[int, ...], ...]:
        """For each of the S fits, the folds that it leaves out."""
        folds = range(self.number)
        return ((), *((k,) for k in folds), *itertools.combinations(folds, 2))

    @cached_property
    def sees(self) -> np.ndarray:
        """(S, K) whether a fit uses a fold."""
        return np.array([[k not in folds for k in range(self.number)] for folds in self.left_out])

    def without(self, *folds: int) -> int:
        """The index of the fit that leaves out these one or two folds."""
        return self.left_out.index(tuple(sorted(set(folds))))


def stratified_folds(
    target: np.ndarray,
    folds: int,
    seed: int | Sequence[int],
    groups: np.ndarray | None = None,
    place: np.ndarray | None = None,
) -> np.ndarray:
    """The fold of each sample, (N,) int64 in [0, folds): the samples of each class spread evenly, at random.

    Args:
        target: (N,) class indices.
        folds: at least 2.
        seed: of the order.
        groups: (N,) anything; samples of one group (copies of one image, pictures of one animal) share a fold.
        place: (N,) a number of each sample; if given, the folds depend on it and not on the order of the samples.

    Example:
        >>> stratified_folds(np.array([0, 0, 1, 1]), folds=2, seed=0).tolist()
        [0, 1, 0, 1]
    """
    rng = np.random.default_rng(seed)
    if groups is not None:
        return _grouped(target, folds, rng, groups)
    fold = np.empty(len(target), dtype=np.int64)
    order = np.arange(len(target)) if place is None else np.argsort(place, kind="stable")
    classes = [order[target[order] == label] for label in np.unique(target)]
    if place is not None:
        classes.sort(key=lambda members: (len(members), place[members[0]]))
    start = 0
    for in_order in classes:
        members = rng.permutation(in_order)
        fold[members] = (start + np.arange(len(members))) % folds
        start += len(members)  # so that classes of one sample do not all fall into the first fold
    return fold


def _grouped(target: np.ndarray, folds: int, rng: np.random.Generator, groups: np.ndarray) -> np.ndarray:
    """Groups, the largest first, each to the fold that has the fewest samples of its classes so far."""
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    held = np.zeros((folds, int(target.max()) + 1))
    fold_of = np.empty(len(sizes), dtype=np.int64)
    by_group = np.split(np.argsort(member, kind="stable"), np.cumsum(sizes)[:-1])
    for group in sorted(rng.permutation(len(sizes)), key=lambda g: -sizes[g]):
        own = np.bincount(target[by_group[group]], minlength=held.shape[1])
        fold = int(np.argmin((held * (own > 0)).sum(1) + held.sum(1) * 1e-6))
        held[fold] += own
        fold_of[group] = fold
    return fold_of[member]
