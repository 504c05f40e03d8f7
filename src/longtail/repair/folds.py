"""Folds that keep the class frequencies, and never split a group."""

import numpy as np


def stratified_folds(target: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """The fold of each sample, (N,) int64 in [0, folds): the samples of each class spread evenly, at random.

    Args:
        target: (N,) class indices.
        folds: at least 2.
        seed: of the order.
        groups: (N,) anything; samples of one group (copies of one image, pictures of one animal) share a fold.

    Example:
        >>> stratified_folds(np.array([0, 0, 1, 1]), folds=2, seed=0).tolist()
        [0, 1, 0, 1]
    """
    rng = np.random.default_rng(seed)
    if groups is not None:
        return _grouped(target, folds, rng, groups)
    fold = np.empty(len(target), dtype=np.int64)
    start = 0
    for label in np.unique(target):
        members = rng.permutation(np.flatnonzero(target == label))
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
