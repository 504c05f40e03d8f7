"""Checks of what `fit` of an estimator is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from longtail.repair.inputs import as_groups

LEAST_GROUPS = 3


def as_labels(y: Any) -> np.ndarray:
    """(N,) labels of any kind.

    Raises:
        ValueError: none, numbers that are no classes, or several labels a sample.
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
    check_classification_targets(y)
    return np.asarray(column_or_1d(y, warn=True))


def checked_groups(groups: np.ndarray | Sequence[object] | None, number: int) -> np.ndarray | None:
    """(N,) groups, or None.

    Raises:
        ValueError: fewer than three groups.
    """
    checked = as_groups(groups, number)
    if checked is not None and (found := len(np.unique(checked))) < LEAST_GROUPS:
        raise ValueError(f"`groups` must hold at least {LEAST_GROUPS} groups, to fit, choose and score. Got {found}.")
    return checked
