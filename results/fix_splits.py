"""Splits of a data set: a training, a test and sometimes a held-out set, whose classes are numbered as in training."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from longtail.repair.folds import stratified_folds


class Samples(NamedTuple):
    """What a model predicts: features, or logits (N, C); labels (N,); groups (N,) if samples are not independent."""

    features: Any
    target: np.ndarray
    groups: np.ndarray | None = None


class Case(NamedTuple):
    """A split. Without held-out samples, the diagnosis sees cross-validated predictions on the training set."""

    train: Samples
    test: Samples
    held_out: Samples | None = None


def case_of(
    features: Sequence[Any], target: np.ndarray, parts: Sequence[np.ndarray], groups: np.ndarray | None = None
) -> Case:
    """The case of two or three parts: training, perhaps held-out, and test set.

    Args:
        features: of each part.
        target: (N,) class indices of all samples.
        parts: indices of the samples of each part, of classes that the training set has.
        groups: (N,) of all samples.
    """
    known = np.unique(target[parts[0]])
    train, *held_out, test = (
        Samples(own, np.searchsorted(known, target[part]), None if groups is None else groups[part])
        for own, part in zip(features, parts, strict=True)
    )
    return Case(train, test, *held_out)


def official_or_drawn(target: np.ndarray, sizes: Sequence[int], seed: int) -> list[np.ndarray]:
    """Indices of the training set, then of parts of these sizes: for seed 0 the last samples, else drawn by class."""
    order = np.arange(len(target))
    if seed == 0:
        return with_classes_of_training(target, np.split(order, len(target) - np.cumsum(sizes[::-1])[::-1]))
    parts: list[np.ndarray] = []
    for size in sizes[::-1]:
        alone = np.bincount(target[order])[target[order]] < 2  # a class of one sample stays in the training set
        shared = order[~alone]
        rest, part = train_test_split(shared, test_size=size, stratify=target[shared], random_state=seed)
        order, parts = np.concatenate([rest, order[alone]]), [part, *parts]
    return with_classes_of_training(target, [order, *parts])


def drawn_by_group(target: np.ndarray, groups: np.ndarray, seed: int) -> list[np.ndarray]:
    """Indices of 60 % to train, 20 % held out and 20 % to test, of different groups."""
    fold = stratified_folds(target, 5, seed, groups)
    return with_classes_of_training(target, [np.flatnonzero(part) for part in (fold > 1, fold == 1, fold == 0)])


def with_classes_of_training(target: np.ndarray, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Parts without samples of classes that the first does not have: they cannot be predicted."""
    return [part[np.isin(target[part], target[parts[0]])] for part in parts]


def halves(whole: Samples, seed: int) -> tuple[Samples, Samples]:
    """Two random halves of each class."""
    half = stratified_folds(whole.target, 2, seed)
    first, second = (Samples(whole.features[half == k], whole.target[half == k]) for k in (0, 1))
    return first, second
