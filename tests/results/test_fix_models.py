"""Predictions of the models for the measurement of fixes, and thresholds tuned on them."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fix_models import FOLDS, above_refitted_thresholds, above_thresholds, predictions, threshold, weighted
from fix_splits import Case, Samples
from longtail.repair.folds import stratified_folds

MODEL = LogisticRegression()


@pytest.fixture
def case():
    features, target = make_classification(
        1200, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, weights=[0.85, 0.1, 0.05], class_sep=0.4,
        random_state=0,
    )  # fmt: skip
    return Case(Samples(features[:600], target[:600]), Samples(features[600:], target[600:]))


def test_class_weights_are_set_inside_a_pipeline():
    assert weighted(make_pipeline(StandardScaler(), MODEL))[-1].class_weight == "balanced"
    assert weighted(LinearSVC()).class_weight == "balanced"
    assert weighted(MultinomialNB()) is None
    assert MODEL.class_weight is None


def test_training_samples_are_predicted_by_models_that_did_not_see_them(case):
    held_out, test, by_fold = predictions(MODEL, case, 0)
    fitted = MODEL.fit(case.train.features, case.train.target)
    np.testing.assert_allclose(np.exp(test.features), fitted.predict_proba(case.test.features), rtol=1e-6)
    assert held_out.features.shape == (600, 3)
    assert np.abs(np.exp(held_out.features) - fitted.predict_proba(case.train.features)).max() > 1e-3
    fold = stratified_folds(case.train.target, FOLDS, 0)
    first = LogisticRegression().fit(case.train.features[fold != 0], case.train.target[fold != 0])
    np.testing.assert_allclose(
        np.exp(held_out.features[fold == 0]), first.predict_proba(case.train.features[fold == 0]), rtol=1e-6
    )
    np.testing.assert_allclose(np.exp(by_fold[0]), first.predict_proba(case.test.features), rtol=1e-6)


def test_a_class_that_a_fold_lacks_is_not_predicted(case):
    target = np.where(np.arange(600) == 5, 3, case.train.target)
    held_out, *_ = predictions(MODEL, case._replace(train=case.train._replace(target=target)), 0)
    assert held_out.features.shape == (600, 4)
    assert held_out.features[5, 3] < held_out.features[5, :3].min()


def test_a_held_out_set_is_predicted_by_the_served_model(case):
    held_out, _, by_fold = predictions(MODEL, case._replace(held_out=case.test), 0)
    fitted = MODEL.fit(case.train.features, case.train.target)
    np.testing.assert_allclose(np.exp(held_out.features), fitted.predict_proba(case.test.features), rtol=1e-6)
    assert by_fold == ()


def test_a_threshold_has_the_largest_balanced_accuracy():
    score, positive = np.array([0.1, 0.2, 0.3, 0.4, 0.8]), np.array([False, False, True, False, True])
    assert threshold(score, positive) == 0.3
    assert threshold(score, np.zeros(5, dtype=bool)) > 0.8


@pytest.mark.parametrize("shift", [0.0, 3.0])
@pytest.mark.slow
def test_thresholds_help_the_tail(case, shift):
    """Also those of scores that are no log-probabilities."""
    held_out, test = (each._replace(features=each.features + shift) for each in predictions(MODEL, case, 0)[:2])
    decided = above_thresholds(held_out, test)
    before = balanced_accuracy_score(test.target, test.features.argmax(1))
    assert balanced_accuracy_score(test.target, decided) > before + 0.02
    assert balanced_accuracy_score(test.target, above_refitted_thresholds(MODEL, case)) > before + 0.02
