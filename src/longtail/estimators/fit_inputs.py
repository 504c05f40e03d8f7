"""Checks of what `fit` of an estimator is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from longtail.arguments import as_float64, refuse_masked
from longtail.repair.inputs import as_groups

LEAST_GROUPS = 3
MISSING = ("None", "nan", "<NA>", "NaT")


def as_labels(y: Any) -> np.ndarray:
    """(N,) labels of any kind.

    Raises:
        TypeError: masked labels, or text beside other labels.
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
    refuse_masked("`y`", y)
    labels = np.asarray(column_or_1d(y, warn=True))
    missing = [place for place, label in enumerate(labels) if _is_missing(label)] if labels.dtype == object else []
    if missing:
        raise ValueError(
            f"`y` must hold a label for each sample. Got {labels[missing[0]]} at index {missing[0]} ({len(missing)} of "
            f"{len(labels)} labels). Drop these samples."
        )
    _check_sortable(labels)
    check_classification_targets(y)
    return labels


def _check_sortable(labels: np.ndarray) -> None:
    """Raise for text beside other labels, which have no order; classes are sorted."""
    if labels.dtype != object:
        return
    odd = next((label for label in labels if isinstance(label, str) != isinstance(labels[0], str)), None)
    if odd is not None:
        raise TypeError(f"`y` must hold labels of one type. Got {labels[0]!r} and {odd!r}: pass `y.astype(str)`.")


def _is_missing(label: Any) -> bool:
    """Whether it is None, NaN, or pandas' NA or NaT; by their text, because pandas need not be installed."""
    return not isinstance(label, str) and str(label) in MISSING


def checked_weights(sample_weight: Any, target: np.ndarray, classes: np.ndarray, *, every_class: bool) -> np.ndarray:
    """(N,) sample weights, float64; ones for None.

    Args:
        sample_weight: (N,) of at least 0, or None.
        target: (N,) class indices.
        classes: (C,) labels.
        every_class: whether each class of `target` needs a weight above 0, not only two of them. To a classifier whose
            weights for a class are all 0 that class is absent, and some give it no score.

    Raises:
        ValueError: another shape, a weight that is negative or not finite, or classes with weights of 0 alone.
        TypeError: no numbers.
    """
    if sample_weight is None:
        return np.ones(len(target))
    weight = as_float64("sample_weight", sample_weight)
    rule = f"`sample_weight` must hold one finite weight of at least 0 per sample, ({len(target)},)."
    if weight.shape != target.shape:
        raise ValueError(f"{rule} Got the shape {weight.shape}.")
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(wrong):
        raise ValueError(f"{rule} Got {weight[wrong[0]]} at index {wrong[0]}.")
    weighted = np.unique(target[weight > 0])
    empty = np.setdiff1d(target, weighted)
    if len(weighted) < 2 or (every_class and len(empty)):
        least = "each class" if every_class else "at least two classes"
        more = f" and of {len(empty) - 1} other{'s' if len(empty) > 2 else ''}" if len(empty) > 1 else ""
        raise ValueError(
            f"`sample_weight` must be above 0 for samples of {least}. Got only zeros for the "
            f"{int((target == empty[0]).sum())} samples of {classes[empty].tolist()[0]!r}{more}. Leave these samples "
            "out, or give them weight."
        )
    return weight


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
    """Raise if a fold has samples of a class that its fit does not see: it would give no margin for that class.

    Samples without weight are not seen.

    Args:
        target: (N,) class indices.
        folds: pairs of indices to fit on and to score.
        counted: (N,) whether a sample has a weight.
        classes: (C,) labels.
    """
    for number, (fitted_on, scored) in enumerate(folds, start=1):
        unseen = np.setdiff1d(target[scored[counted[scored]]], target[fitted_on[counted[fitted_on]]])
        if len(unseen):
            name = classes[unseen].tolist()[0]
            weighted = "" if counted.all() else " with a weight above 0"
            raise ValueError(
                "`cv` must leave samples of each class to fit on, for a classifier without `predict_proba`. Fold "
                f"{number} scores all samples of {name!r}{weighted}. Are they one group? Pass other folds, or a "
                "classifier with `predict_proba`."
            )
