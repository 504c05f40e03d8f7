"""Checks of what `fit` of an estimator is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from longtail.repair.inputs import as_groups

LEAST_GROUPS = 3
MISSING = ("None", "nan", "<NA>", "NaT")


def as_labels(y: Any) -> np.ndarray:
    """(N,) labels of any kind.

    Raises:
        ValueError: no labels, a missing label, continuous numbers, or several labels per sample.
    """
    if y is None:
        raise ValueError(
            "`y` must hold the labels. RebalancedClassifier requires y to be passed, but the target y is None."
        )
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] > 1:
        raise ValueError(
            f"`y` must hold one label for each sample. Got the shape {tuple(shape)}. Multilabel and multioutput "
            "targets are not supported. Fit a RebalancedClassifier for each output."
        )
    labels = np.asarray(column_or_1d(y, warn=True))
    missing = [place for place, label in enumerate(labels) if _is_missing(label)] if labels.dtype == object else []
    if missing:
        raise ValueError(
            f"`y` must hold a label for each sample. Got {labels[missing[0]]} at index {missing[0]} ({len(missing)} of "
            f"{len(labels)} labels). Drop these samples."
        )
    check_classification_targets(y)
    return labels


def _is_missing(label: Any) -> bool:
    """Whether it is None, NaN, or pandas' NA or NaT; by their text, because pandas need not be installed."""
    return not isinstance(label, str) and str(label) in MISSING


def checked_groups(groups: np.ndarray | Sequence[object] | None, number: int) -> np.ndarray | None:
    """(N,) groups, or None.

    Raises:
        ValueError: fewer than three groups.
    """
    checked = as_groups(groups, number)
    if checked is not None and (found := len(np.unique(checked))) < LEAST_GROUPS:
        raise ValueError(f"`groups` must hold at least {LEAST_GROUPS} groups, to fit, choose and score. Got {found}.")
    return checked


def check_seen(
    target: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]], counted: np.ndarray, classes: np.ndarray
) -> None:
    """Raise if a fold has samples of a class that its fit does not see: it would give them no margin for that class.

    Args:
        target: (N,) class indices.
        folds: pairs of indices to fit on and to score.
        counted: (N,) whether a sample has a weight.
        classes: (C,) labels.
    """
    for number, (fitted_on, scored) in enumerate(folds, start=1):
        unseen = np.setdiff1d(target[scored[counted[scored]]], target[fitted_on])
        if len(unseen):
            name = classes[unseen].tolist()[0]
            raise ValueError(
                "`cv` must leave samples of each class to fit on, for a classifier without `predict_proba`. Fold "
                f"{number} scores all samples of {name!r}. Are they one group? Pass other folds, or a classifier with "
                "`predict_proba`."
            )
