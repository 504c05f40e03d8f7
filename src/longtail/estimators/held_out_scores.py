"""Cross-validated scores of a scikit-learn classifier."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from longtail.estimators.class_places import places_of


def held_out_scores(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    folds: Iterable[tuple[np.ndarray, np.ndarray]],
    classes: np.ndarray,
    method: str,
    params: Mapping[str, Any],
    counted: np.ndarray | None = None,
) -> np.ndarray:
    """Scores (N, C), or (N,) margins of two classes; each by a fit that has not seen the sample.

    Unlike in `cross_val_predict`, the classifier gets the original labels, so that a `class_weight` by label works. A
    class that a fold lacks gets the least score there.

    Args:
        estimator: a classifier, which is cloned.
        X: (N, …) whatever the classifier takes.
        y: (N,) labels.
        folds: pairs of indices to fit on and to score; every sample is scored once.
        classes: (C,) the labels in the order of the columns.
        method: "predict_proba" or "decision_function".
        params: for the classifier's `fit`; those of length N are divided as X is.
        counted: (N,) whether a sample has a weight above 0, for messages.

    Raises:
        ValueError: the classifier could not be fitted or scored in a fold, which the message names.
    """
    margins = method == "decision_function"
    lowest = np.finfo(np.float64).min if margins else 0.0
    shape = (len(y),) if margins and len(classes) == 2 else (len(y), len(classes))
    scores = np.full(shape, lowest)
    for number, (fitted_on, scored) in enumerate(folds, start=1):
        own = {name: _part(value, fitted_on, len(y)) for name, value in params.items()}
        try:
            fitted = clone(estimator).fit(_safe_indexing(X, fitted_on), y[fitted_on], **own)
            found = np.asarray(getattr(fitted, method)(_safe_indexing(X, scored)))
            _check_columns(found, fitted.classes_)
            places = _places(fitted.classes_, classes)
        except Exception as error:
            raise ValueError(
                f"`estimator` could not be fitted in fold {number}{_lacking(y, fitted_on, classes, counted)}: {error}"
            ) from error
        if found.ndim == 1 and len(classes) > 2:  # a fold of two of the classes
            found = np.stack([-found, found], axis=1)
        if scores.ndim == 1:
            scores[scored] = found if places.tolist() == [0, 1] else -found
        else:
            scores[np.ix_(scored, places)] = found
    return scores


def _part(value: Any, rows: np.ndarray, number: int) -> Any:
    return _safe_indexing(value, rows) if hasattr(value, "__len__") and len(value) == number else value


def _check_columns(scores: np.ndarray, classes: np.ndarray) -> None:
    """Raise unless there is one column for each class of the classifier, or one score for two classes."""
    if scores.ndim != 1 and scores.shape[1:] != (len(classes),):
        raise ValueError(f"its scores must have a column for each of its {len(classes)} classes. Got {scores.shape}.")


def _places(known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    places = places_of(known, classes)
    if (places < 0).any():
        raise ValueError(f"it knows the class {np.asarray(known)[places < 0].tolist()[0]!r}, which is not in `y`.")
    return places


def _lacking(y: np.ndarray, rows: np.ndarray, classes: np.ndarray, counted: np.ndarray | None) -> str:
    lacking = np.setdiff1d(classes, y[rows])
    without = [] if counted is None else np.setdiff1d(y[rows], y[rows[counted[rows]]]).tolist()
    absent = f", whose samples lack {', '.join(map(repr, lacking.tolist()))}" if len(lacking) else ""
    return absent + (f", whose samples of {', '.join(map(repr, without))} all have a weight of 0" if without else "")
