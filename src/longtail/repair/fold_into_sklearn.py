"""Folding a fix into a linear classifier of scikit-learn, or a Pipeline that ends with one.

scikit-learn is not imported: classifiers are recognised by their attributes (`coef_`, `intercept_`, `classes_`,
`decision_function`) and checked on random inputs.
"""

import copy
import warnings
from typing import Any

import numpy as np

from longtail.repair.class_order import in_order_of
from longtail.repair.fix import Fix

HAS = ("coef_", "intercept_", "classes_", "decision_function")
SPREAD = 3.0  # standard deviation of the scores in the check
ROWS, NUMBERS = 64, 2**24


def is_estimator(model: Any) -> bool:
    """Whether it has the methods of a scikit-learn estimator."""
    return hasattr(model, "get_params") and hasattr(model, "fit")


def folded_estimator(fix: Fix, estimator: Any) -> Any:
    """A copy with the fix folded in; classes are matched by name.

    Raises:
        TypeError: not a linear classifier, or its scores differ from what the fix takes by more than a constant.
        ValueError: not fitted, or other classes.
    """
    if hasattr(estimator, "steps"):
        return _folded_pipeline(fix, estimator)
    _check_linear(estimator)
    fix = in_order_of(fix, class_names_of(estimator), "the classifier")
    result = copy.deepcopy(estimator)
    offset, coefficients, intercept = fix.offset, estimator.coef_, np.asarray(estimator.intercept_, np.float64)
    if _rows(estimator) == 1:  # one score for two classes: second minus first
        offset = offset[1] - offset[0]
    dtype = coefficients.dtype
    result.coef_ = (coefficients / fix.temperature).astype(dtype)
    result.intercept_ = np.atleast_1d((intercept + offset) / fix.temperature).astype(dtype)
    _check_agrees(fix, estimator, result)
    return result


def class_names_of(estimator: Any) -> tuple[str, ...]:
    """`classes_` as strings; 1.0 becomes "1"."""
    values = np.asarray(estimator.classes_).tolist()
    whole = all(isinstance(value, float) and value.is_integer() for value in values)
    return tuple(str(int(value) if whole else value) for value in values)


def _folded_pipeline(fix: Fix, pipeline: Any) -> Any:
    name, last = pipeline.steps[-1]
    own = folded_estimator(fix, last)
    result = copy.deepcopy(pipeline)
    result.steps[-1] = (name, own)
    return result


def _check_linear(estimator: Any) -> None:
    kind = type(estimator).__name__
    if hasattr(estimator, "best_estimator_"):
        raise TypeError(f"`module` must be a linear classifier. Got a {kind}: fold into its `best_estimator_`.")
    if not all(hasattr(estimator, name) for name in HAS):
        fitted = hasattr(estimator, "classes_")
        why = "Apply the fix to its scores instead: `fix.predict(scores)`." if fitted else "If it is one, fit it first."
        raise TypeError(
            f"`module` must be a fitted linear classifier or a Pipeline that ends with one. Got {kind}. {why}"
        )
    if isinstance(getattr(type(estimator), "coef_", None), property):
        raise TypeError(f"`module` must have a `coef_` that can be set. That of {kind} is computed: use LinearSVC.")
    if (_rows(estimator), len(estimator.classes_)) != (1, 2) and _rows(estimator) != len(estimator.classes_):
        raise TypeError(
            f"`module` must have one row of `coef_` for each of its {len(estimator.classes_)} classes. {kind} has the "
            f"shape {estimator.coef_.shape}. Apply the fix to its scores instead: `fix.predict(scores)`."
        )


def _rows(estimator: Any) -> int:
    return 1 if estimator.coef_.ndim == 1 else int(estimator.coef_.shape[0])


def _check_agrees(fix: Fix, before: Any, after: Any) -> None:
    """Compare the new scores with the fix applied to the old scores, on random inputs."""
    inputs = _inputs_for(before)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inputs without feature names
        scores = _scores(before, inputs, fix.takes)
        found, predicted = _both(after.decision_function(inputs)), after.predict(inputs)
    wanted = _centred((scores + fix.offset) / fix.temperature)
    apart = float(np.abs(_centred(found) - wanted).max())
    clear = np.diff(np.sort(wanted, axis=1)[:, -2:], axis=1)[:, 0] > 2 * apart
    decided = before.classes_[wanted.argmax(1)]
    single = before.coef_.dtype.itemsize < 8
    if not apart <= (1e-3 if single else 1e-6) * (1 + np.abs(wanted).max()) or (predicted != decided)[clear].any():
        kind = type(before).__name__
        raise TypeError(
            f"`module` must be a classifier whose {fix.takes} are its scores plus a constant. Those of {kind} are not"
            + (
                " (one-vs-rest?). Fit a fix on its decision_function instead."
                if fix.takes == "probabilities"
                else ". Apply the fix to its scores instead: `fix.predict(scores)`."
            )
        )


def _inputs_for(estimator: Any) -> np.ndarray:
    """Random inputs (M, D), scaled so that the scores have a standard deviation of `SPREAD`."""
    features = estimator.coef_.shape[-1]
    rows = max(2, min(ROWS, NUMBERS // features))
    inputs = np.random.default_rng(0).normal(size=(rows, features))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = _both(estimator.decision_function(inputs)) - _both(estimator.decision_function(0 * inputs))
    return np.asarray(inputs * (SPREAD / max(scores.std(), 1e-30)))


def _scores(estimator: Any, inputs: np.ndarray, takes: str) -> np.ndarray:
    """Logits, or the logarithms of probabilities, (M, C)."""
    if takes == "logits":
        return _both(estimator.decision_function(inputs))
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"`module` must have predict_proba, because this fix takes probabilities. {type(estimator).__name__} has "
            "none: fit a fix on its decision_function."
        )
    return np.asarray(np.log(np.maximum(estimator.predict_proba(inputs), 1e-300)))


def _both(scores: np.ndarray) -> np.ndarray:
    """(M, C); the one score z of two classes is (0, z)."""
    return np.stack([np.zeros_like(scores), scores], 1) if scores.ndim == 1 else scores


def _centred(scores: np.ndarray) -> np.ndarray:
    return np.asarray(scores - scores.mean(1, keepdims=True))
