"""Models that a user would have, their predictions on samples that they were not fitted on, and tuned thresholds."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fix_data import BANKING, DIGITS, EMOTIONS, FISH, HWU, MADE_UP, SHUTTLE, TREC
from fix_splits import Case, Samples
from longtail.repair.calibration import log_probabilities
from longtail.repair.folds import stratified_folds

FOLDS = 4
LOGISTIC = {"logistic regression": LogisticRegression(C=10, max_iter=300)}
TEXT = LOGISTIC | {"linear SVM": LinearSVC(), "naive Bayes": MultinomialNB(alpha=0.1)}
STANDARDISED = {"logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))}
TREES = {"boosted trees": HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0)}
MODELS: dict[str, dict[str, Any]] = {
    TREC: TEXT,
    BANKING: TEXT,
    HWU: LOGISTIC,
    EMOTIONS: LOGISTIC,
    SHUTTLE: STANDARDISED | TREES,
    FISH: STANDARDISED,
    DIGITS: TREES,
    MADE_UP: TREES,
}
TUNED_SEEDS = 3
NOT_TUNED = (EMOTIONS, FISH)
"""Data on which thresholds are not tuned by refitting: one model per class, each fitted several times."""
LEAST_SCORE = -1e4  # of a class that a fold of the cross-validation lacks


class Predictions(NamedTuple):
    """Logits of a model.

    Attributes:
        held_out: what the diagnosis sees: samples that the model was not fitted on.
        test: of the test set.
        test_by_fold: of the test set, by each model of the cross-validation that predicts `held_out`.
    """

    held_out: Samples
    test: Samples
    test_by_fold: tuple[np.ndarray, ...] = ()


def weighted(model: Any) -> Any | None:
    """The model with balanced class weights; None if it takes none."""
    name = next((key for key in model.get_params() if key.split("__")[-1] == "class_weight"), None)
    return None if name is None else clone(model).set_params(**{name: "balanced"})


def predictions(model: Any, case: Case, seed: int) -> Predictions:
    """Of the model fitted on the training set, and without a held-out set of those of a cross-validation."""
    fitted = clone(model).fit(case.train.features, case.train.target)
    test = case.test._replace(features=scores(fitted, case.test.features))
    if case.held_out is not None:
        return Predictions(case.held_out._replace(features=scores(fitted, case.held_out.features)), test)
    return cross_validated(model, case, test, seed)


def cross_validated(model: Any, case: Case, test: Samples, seed: int) -> Predictions:
    """Each training sample is predicted by the model that was fitted without its fold."""
    train, num_classes = case.train, test.features.shape[1]
    fold = stratified_folds(train.target, FOLDS, seed, train.groups)
    logits, of_test = np.empty((len(fold), num_classes)), []
    for own in (fold == k for k in range(FOLDS)):
        fitted = clone(model).fit(train.features[~own], train.target[~own])
        for rows, features in ((own, train.features[own]), (None, case.test.features)):
            found = np.full((features.shape[0], num_classes), LEAST_SCORE)
            found[:, fitted.classes_] = scores(fitted, features)
            if rows is None:
                of_test.append(found)
            else:
                logits[rows] = found
    return Predictions(train._replace(features=logits), test, tuple(of_test))


def scores(model: Any, features: Any) -> np.ndarray:
    """Log-probabilities, or what the model has instead."""
    if hasattr(model, "predict_proba"):
        return log_probabilities(model.predict_proba(features), 1e-30)
    return np.asarray(model.decision_function(features))


def above_thresholds(held_out: Samples, test: Samples) -> np.ndarray:
    """Decisions by one threshold per class, tuned one-vs-rest for balanced accuracy on the given predictions.

    The largest score above its class's threshold decides. Scores are probabilities if they are normalised.
    """
    tuned, fresh = values_of(held_out.features), values_of(test.features)
    thresholds = [threshold(tuned[:, label], held_out.target == label) for label in range(tuned.shape[1])]
    return np.asarray((fresh - thresholds).argmax(1))


def values_of(logits: np.ndarray) -> np.ndarray:
    """Probabilities of log-probabilities; other scores as they are."""
    probability = np.exp(np.minimum(logits, 0), dtype=np.float64)
    return probability if np.allclose(probability.sum(1), 1, atol=1e-4) else logits


def threshold(score: np.ndarray, positive: np.ndarray) -> float:
    """That of the largest balanced accuracy; above all scores for a class without samples."""
    if not positive.any():
        return float(score.max()) + 1
    false, true, values = roc_curve(positive, score, drop_intermediate=False)
    return float(values[1:][np.argmax((true - false)[1:])])  # the first value is infinite: no positive decision


def above_refitted_thresholds(model: Any, case: Case) -> np.ndarray:
    """The same with one binary model per class, as scikit-learn's `TunedThresholdClassifierCV` fits them."""
    margins = []
    for label in range(int(case.train.target.max()) + 1):
        tuned = TunedThresholdClassifierCV(clone(model), scoring="balanced_accuracy", cv=3, random_state=0)
        try:
            tuned.fit(case.train.features, case.train.target == label)
        except ValueError as error:
            if "constant predictions" not in str(error):
                raise
            margins.append(np.full(len(case.test.target), -np.inf))  # a class that its own model never tells apart
            continue
        own = tuned.estimator_
        features = case.test.features
        score = own.predict_proba(features)[:, 1] if hasattr(own, "predict_proba") else own.decision_function(features)
        margins.append(score - tuned.best_threshold_)
    return np.asarray(np.argmax(margins, axis=0))
