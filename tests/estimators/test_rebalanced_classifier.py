import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.utils.estimator_checks import parametrize_with_checks
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import check_estimator

from longtail.estimators import RebalancedClassifier
from longtail.estimators.held_out_scores import held_out_scores

EVERY_THIRD = np.arange(60) % 3


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(
        4000, n_informative=6, n_classes=4, weights=[0.8, 0.13, 0.05, 0.02], class_sep=0.9, random_state=0
    )
    return train_test_split(X, np.array(["ant", "bee", "cod", "dog"])[y], stratify=y, random_state=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_it_is_an_estimator_of_scikit_learn():
    # Also the two checks of sample weights that scikit-learn expects its own TunedThresholdClassifierCV to fail.
    check_estimator(RebalancedClassifier(LogisticRegression(), cv=3, random_state=0), on_skip=None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_it_passes_the_checks_of_imbalanced_learn():
    model = RebalancedClassifier(LogisticRegression(), cv=3, random_state=0)
    checks = [check for _, check in parametrize_with_checks([model]).args[1]]
    assert len(checks) == 2
    for check in checks:
        check(model)


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearSVC()], ids=["probabilities", "margins"])
@pytest.mark.slow
def test_rare_classes_gain_on_data_that_nothing_has_seen(data, estimator):
    train, test, y_train, y_test = data
    model = RebalancedClassifier(estimator, random_state=0).fit(train, y_train)
    plain = clone(estimator).fit(train, y_train)
    assert model.diagnosis_.verdict == "use"
    before, after = (balanced_accuracy_score(y_test, m.predict(test)) for m in (plain, model))
    assert after > before + 0.05
    best = max(outcome.interval for outcome in model.diagnosis_.outcomes)
    assert best[0] - 0.05 < after - before < best[1] + 0.05
    assert model.offset_.argmax() != 0
    assert (model.predict(test) == model.classes_[model.decision_function(test).argmax(1)]).all()
    assert (model.predict(test) == model.classes_[model.predict_proba(test).argmax(1)]).all()
    np.testing.assert_allclose(model.predict_proba(test).sum(1), 1)


@pytest.mark.slow
def test_two_classes(data):
    X, _, y, _ = data
    binary = np.where(y == "ant", "common", "rare")
    model = RebalancedClassifier(LogisticRegression()).fit(X, binary)
    assert model.decision_function(X).shape == (len(X),)
    assert ((model.decision_function(X) > 0) == (model.predict(X) == "rare")).all()


@pytest.mark.slow
def test_where_nothing_helps_the_classifier_is_left_alone():
    X, y = make_classification(900, n_informative=6, n_classes=3, random_state=0)
    model = RebalancedClassifier(LogisticRegression()).fit(X, y)
    assert model.diagnosis_.verdict == "keep"
    assert not model.offset_.any()
    assert (model.predict(X) == LogisticRegression().fit(X, y).predict(X)).all()


@pytest.mark.slow
def test_pipelines_searches_clones_and_pickles(data):
    X, _, y, _ = data
    model = RebalancedClassifier(make_pipeline(StandardScaler(), LogisticRegression()), cv=3)
    search = GridSearchCV(model, {"estimator__logisticregression__C": [0.1, 1.0], "metric": ["macro-f1"]}, cv=2)
    search.fit(X[:600], y[:600])
    assert search.best_estimator_.diagnosis_.metric == "macro-F1"
    restored = pickle.loads(pickle.dumps(search.best_estimator_))
    assert (restored.predict(X) == search.predict(X)).all()
    assert clone(model).get_params()["cv"] == 3


@pytest.mark.parametrize(
    ("estimator", "other"), [(LogisticRegression(), LinearSVC()), (LinearSVC(), LogisticRegression())]
)
def test_settings_made_after_fit_wait_for_the_next(data, estimator, other):
    X, _, y, _ = data
    model = RebalancedClassifier(estimator, cv=3).fit(X[:600], y[:600])
    before = model.decision_function(X)
    model.set_params(estimator=other, metric="macro-f1")
    np.testing.assert_array_equal(model.decision_function(X), before)


def test_names_of_columns_are_those_of_the_last_fit(data):
    X, _, y, _ = data
    X, y = X[:600], y[:600]
    model = RebalancedClassifier(LogisticRegression(), cv=3).fit(pd.DataFrame(X).add_prefix("x"), y)
    assert model.feature_names_in_[0] == "x0"
    assert not hasattr(model.fit(X, y), "feature_names_in_")
    assert model.n_features_in_ == X.shape[1]


def test_it_has_logarithms_of_its_probabilities(data):
    X, _, y, _ = data
    X, y = X[:600], y[:600]
    model = RebalancedClassifier(LogisticRegression(), cv=3).fit(X, y)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert cross_val_predict(model, X, y, cv=2, method="predict_log_proba").shape == model.predict_proba(X).shape


@pytest.mark.slow
def test_sample_weights_reach_the_offsets_too(data):
    X, _, y, _ = data
    weight = np.where((y == "dog") & (X[:, 0] > 0), 50.0, 1.0)
    plain = RebalancedClassifier(LogisticRegression(), cv=3, random_state=1).fit(X, y)
    weighted = RebalancedClassifier(_Unweighted(), cv=3, random_state=1).fit(X, y, sample_weight=weight)
    assert not np.allclose(plain.offset_, weighted.offset_)
    assert weighted.diagnosis_.before.accuracy < plain.diagnosis_.before.accuracy


class _Unweighted(LogisticRegression):
    """Takes weights and leaves them alone, so that only the offsets can differ."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y)


@pytest.mark.slow
def test_sample_weights_reach_the_classifier_and_seeds_decide(data):
    X, _, y, _ = data
    weight = np.where(y == "ant", 0.2, 1.0)
    model = RebalancedClassifier(LogisticRegression(), cv=3, random_state=1).fit(X, y, sample_weight=weight)
    expected = LogisticRegression().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.estimator_.coef_, expected.coef_)
    again = clone(model).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(again.offset_, model.offset_)


@pytest.mark.slow
def test_boosted_trees_and_a_deployment_prior(data):
    X, test, y, _ = data
    trees = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    model = RebalancedClassifier(trees, metric="accuracy", prior="train", cv=3).fit(X, y)
    np.testing.assert_allclose(model.diagnosis_.fix.prior, np.unique(y, return_counts=True)[1] / len(y))
    rare = RebalancedClassifier(trees, metric="accuracy", prior=[0.05, 0.05, 0.1, 0.8], cv=3).fit(X, y)
    assert (rare.predict(test) == "dog").mean() > (model.predict(test) == "dog").mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"metric": "top-1"}, "`metric` must be one of"), ({"metric": "accuracy", "prior": [1.0, 2.0]}, "`prior`")],
)
def test_settings_are_checked_by_fit(data, settings, message):
    X, _, y, _ = data
    with pytest.raises(ValueError, match=message):
        RebalancedClassifier(LogisticRegression(), cv=2, **settings).fit(X[:200], y[:200])
    with pytest.raises(ValueError, match="must hold at least two classes"):
        RebalancedClassifier(LogisticRegression()).fit(X[:20], ["ant"] * 20)


def test_pairwise_scores_are_refused(data):
    X, _, y, _ = data
    with pytest.raises(ValueError, match="`estimator` must score classes, not pairs of them"):
        RebalancedClassifier(SVC(decision_function_shape="ovo")).fit(X[:300], y[:300])


@pytest.mark.slow
def test_a_forest_that_says_zero_keeps_sensible_probabilities(data):
    X, test, y, truth = data
    forest = RandomForestClassifier(50, random_state=0)
    model = RebalancedClassifier(forest, metric="accuracy", prior="train", cv=3, random_state=0).fit(X, y)
    confidence = model.predict_proba(test).max(1).mean()
    assert abs(confidence - (model.predict(test) == truth).mean()) < 0.1


@pytest.mark.slow
def test_costs_are_pursued(data):
    X, test, y, truth = data
    cost = 1 - np.eye(4)
    cost[3, :3] = 30.0  # to miss a dog
    model = RebalancedClassifier(LogisticRegression(), metric="cost", prior="train", cost=cost, cv=3).fit(X, y)
    plain = LogisticRegression().fit(X, y)
    missed = [(predicted != "dog")[truth == "dog"].mean() for predicted in (model.predict(test), plain.predict(test))]
    assert missed[0] < missed[1]


@pytest.mark.slow
def test_kept_decisions_are_those_of_the_classifier(data):
    X, test, y, _ = data
    model = RebalancedClassifier(LogisticRegression(), metric="accuracy", prior="train", cv=3).fit(X, y)
    assert model.diagnosis_.verdict != "use"
    np.testing.assert_array_equal(model.predict(test), model.estimator_.predict(test))


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        ({"estimator": LinearRegression()}, {}, "`estimator` must be a classifier. Got LinearRegression"),
        ({"estimator": LinearSVC()}, {"y": np.repeat([0, 1, 2], [30, 29, 1])}, "at least two samples of each class"),
        ({}, {"y": np.repeat([0, 1], [59, 1])}, "at least two samples of each class for this estimator. Got one of"),
        (
            {},
            {"sample_weight": np.r_[-1.0, np.ones(59)]},
            r"`sample_weight` must hold one finite .* Got -1\.0 at index 0",
        ),
        ({}, {"sample_weight": np.ones(3)}, r"`sample_weight` must hold one .* sample, \(60,\)\. Got the shape \(3,\)"),
        *(
            (
                {"estimator": estimator},
                {"sample_weight": (np.arange(60) % 3 != 1) * 1.0},
                r"`sample_weight` must be above 0 for samples of each class\. Got only zeros for the 20 samples of 1\.",
            )
            for estimator in (LinearSVC(), SVC(probability=True), LogisticRegression())
        ),
        ({}, {"sample_weight": np.zeros(60)}, "`sample_weight` must be above 0 .* samples of 0 and of 2 others"),
        ({"metric": "glory"}, {}, "`metric` must be one of"),
        ({"metric": "cost"}, {}, "`cost` must be given"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_fitted(monkeypatch, settings, change, message):
    monkeypatch.setattr("longtail.estimators.rebalanced_classifier.clone", None)
    given = {"y": np.arange(60) % 3, "sample_weight": None} | change
    with pytest.raises(ValueError, match=message):
        RebalancedClassifier(**({"estimator": LogisticRegression()} | settings)).fit(np.zeros((60, 2)), **given)


@pytest.mark.slow
def test_priors_and_costs_go_by_name(data):
    X, _, y, _ = data
    names = sorted(set(y))
    prior, cost = np.array([0.05, 0.05, 0.1, 0.8]), 1 - np.eye(4)
    cost[3, :3] = 30.0
    series = pd.Series(prior, index=names).sample(frac=1, random_state=0)
    table = pd.DataFrame(cost, index=names, columns=names).iloc[::-1, [2, 0, 1, 3]]
    assert list(series.index) != names
    kept = RebalancedClassifier(LogisticRegression(), metric="cost", prior=series, cost=table, cv=3).fit(X, y)
    np.testing.assert_allclose(kept.diagnosis_.fix.prior, prior)
    np.testing.assert_array_equal(kept.diagnosis_.fix.metric_cost, cost)
    with pytest.raises(ValueError, match="`prior` must name every class. It lacks"):
        RebalancedClassifier(LogisticRegression(), metric="accuracy", prior={"dog": 1.0}, cv=3).fit(X, y)


def test_labels_that_differ_in_spaces_alone_are_classes():
    X = np.random.default_rng(0).normal(size=(90, 2))
    y = np.array(["a", " a", ""])[np.arange(90) % 3]
    assert set(RebalancedClassifier(LogisticRegression(), cv=3).fit(X, y).classes_) == {"a", " a", ""}


@pytest.mark.parametrize("labels", [["a", "b", "c"], [7, -3, 100], [True, False]])
@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.slow
def test_class_weights_go_by_the_labels_that_are_given(labels, in_pipeline):
    rng = np.random.default_rng(0)
    target = rng.choice(len(labels), 300)
    X, y = rng.normal(size=(300, 2)) + target[:, None], np.array(labels)[target]
    estimator = LogisticRegression(class_weight={label: 1.0 + place for place, label in enumerate(labels)})
    estimator = make_pipeline(StandardScaler(), estimator) if in_pipeline else estimator
    model = RebalancedClassifier(estimator, cv=3, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    expected = clone(estimator).fit(X, y)
    np.testing.assert_allclose(model.estimator_.predict_proba(X), expected.predict_proba(X))


def copies(seed, each=8):
    """A rare class without a signal, each sample several times."""
    rng = np.random.default_rng(seed)
    y = np.r_[np.zeros(40, int), np.ones(8, int), np.full(8, 2)]
    X = rng.normal(size=(len(y), 3))
    return np.repeat(X, each, axis=0), np.repeat(y, each), np.repeat(np.arange(len(y)), each)


@pytest.mark.slow
def test_copies_without_a_signal_are_seldom_used_when_groups_are_known():
    """Nearest neighbours know each copy: without groups the verdict is "use" where nothing can be gained."""
    used = {True: 0, False: 0}
    for seed in range(12):
        X, y, groups = copies(seed)
        for known in used:
            model = RebalancedClassifier(KNeighborsClassifier(20), cv=3, random_state=seed)
            model.fit(X, y, groups=groups if known else None)
            used[known] += model.diagnosis_.verdict == "use"
    assert used[True] <= 1 < used[False]


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored by KFold")
@pytest.mark.slow
def test_groups_reach_folds_and_intervals():
    X, y, groups = copies(0)
    by_number = RebalancedClassifier(LogisticRegression(), cv=4, random_state=0).fit(X, y, groups=groups)
    by_splitter = RebalancedClassifier(LogisticRegression(), cv=GroupKFold(4), random_state=0).fit(X, y, groups=groups)
    for model in (by_number, by_splitter):
        scores = model.diagnosis_.outcomes[0]
        ungrouped = RebalancedClassifier(LogisticRegression(), cv=4, random_state=0).fit(X, y).diagnosis_.outcomes[0]
        assert np.ptp(scores.interval) != np.ptp(ungrouped.interval)
    with pytest.raises(ValueError, match="`cv` must not split groups"):
        RebalancedClassifier(LogisticRegression(), cv=KFold(4, shuffle=True)).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="`cv` must score every sample exactly once"):
        RebalancedClassifier(LogisticRegression(), cv=ShuffleSplit(4)).fit(X, y)


@pytest.mark.slow
def test_metadata_is_routed_through_searches():
    X, y, groups = copies(0)
    weight = np.where(y == 0, 0.5, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = _Recording().set_fit_request(sample_weight=True)
        model = RebalancedClassifier(inner, cv=GroupKFold(3), random_state=0)
        model.set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"metric": ["balanced-accuracy"]}, cv=GroupKFold(2))
        search.fit(X, y, sample_weight=weight, groups=groups)
    np.testing.assert_array_equal(search.best_estimator_.estimator_.weight_, weight)
    with sklearn.config_context(enable_metadata_routing=True):
        unasked = RebalancedClassifier(_Recording(), cv=3).set_fit_request(sample_weight=True)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            unasked.fit(X, y, sample_weight=weight)


class _Recording(LogisticRegression):
    """Keeps the weights that reach it."""

    def fit(self, X, y, sample_weight=None):
        self.weight_ = sample_weight
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("weights", [[0.8, 0.15, 0.05], [0.34, 0.33, 0.33]])
@pytest.mark.parametrize(
    "estimator", [SVC(), SVC(probability=True, random_state=0), LinearSVC(), RandomForestClassifier(20, random_state=0)]
)
@pytest.mark.filterwarnings("ignore:The `probability` parameter")
@pytest.mark.slow
def test_all_methods_agree_after_every_verdict(estimator, weights):
    X, y = make_classification(400, n_informative=6, n_classes=3, weights=weights, class_sep=0.7, random_state=1)
    model = RebalancedClassifier(estimator, cv=3, random_state=0).fit(X, y)
    fresh = np.random.default_rng(0).normal(size=(500, X.shape[1])) * 2
    decided = model.predict(fresh)
    np.testing.assert_array_equal(decided, model.classes_[model.decision_function(fresh).argmax(1)])
    np.testing.assert_array_equal(decided, model.classes_[model.predict_proba(fresh).argmax(1)])


@pytest.mark.slow
def test_a_fitted_classifier_is_examined_on_data_that_it_has_not_seen(data):
    X, test, y, y_test = data
    fitted = LogisticRegression().fit(X, y)
    fixed = RebalancedClassifier(FrozenEstimator(fitted), random_state=0)
    fixed.fit(test[y_test != "dog"], y_test[y_test != "dog"])
    assert list(fixed.classes_) == ["ant", "bee", "cod", "dog"]
    np.testing.assert_array_equal(fixed.estimator_.coef_, fitted.coef_)
    scores = fitted.predict_proba(test[y_test != "dog"])
    expected = (fitted.classes_[scores.argmax(1)] == y_test[y_test != "dog"]).mean()
    assert fixed.diagnosis_.before.accuracy == pytest.approx(expected)
    with pytest.raises(ValueError, match="`y` must hold classes that `estimator` was fitted on. It holds 'eel'"):
        fixed.fit(test, np.where(y_test == "dog", "eel", y_test))
    with pytest.raises(ValueError, match="wrap all of it in FrozenEstimator"):
        RebalancedClassifier(make_pipeline(FrozenEstimator(fitted))).fit(test[y_test != "dog"], y_test[y_test != "dog"])


class _NeedsThree(LogisticRegression):
    def fit(self, X, y):
        if len(np.unique(y)) < 3:
            raise RuntimeError("needs three classes")
        return super().fit(X, y)


def test_an_error_of_the_classifier_names_the_fold_and_the_classes_it_lacks():
    y = np.repeat(["a", "b", "c"], [20, 20, 1])
    X = np.random.default_rng(0).normal(size=(41, 2))
    with pytest.raises(ValueError, match=r"in fold \d, whose samples lack 'c': needs three classes"):
        RebalancedClassifier(_NeedsThree(), cv=3).fit(X, y)


def test_scores_are_those_of_cross_val_predict(data):
    X, _, y, _ = data
    folds = list(StratifiedKFold(3).split(X, y))
    for estimator, method in ((LogisticRegression(), "predict_proba"), (LinearSVC(), "decision_function")):
        found = held_out_scores(estimator, X, y, folds, np.unique(y), method, {})
        np.testing.assert_allclose(found, cross_val_predict(estimator, X, y, cv=folds, method=method))
    few = np.flatnonzero(np.isin(y, ["ant", "bee"]))[:200]
    binary = held_out_scores(
        LinearSVC(),
        X[few],
        y[few],
        StratifiedKFold(3).split(X[few], y[few]),
        np.unique(y[few]),
        "decision_function",
        {},
    )
    expected = cross_val_predict(LinearSVC(), X[few], y[few], cv=StratifiedKFold(3), method="decision_function")
    np.testing.assert_allclose(binary, expected)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros((30, 1)), "one group per sample"),
        ([None] * 30, "Sample 0 has none"),
        (np.where(np.arange(30) == 7, np.nan, 1.0), "Sample 7 has none"),
        (np.arange(30) % 2, "at least 3 groups, to fit, choose and score. Got 2"),
    ],
)
def test_groups_are_checked_before_anything_is_fitted(monkeypatch, groups, message):
    monkeypatch.setattr(LogisticRegression, "fit", lambda *_: pytest.fail("fitted"))
    with pytest.raises(ValueError, match=message):
        RebalancedClassifier(LogisticRegression()).fit(np.zeros((30, 2)), np.arange(30) % 3, groups=groups)


@pytest.mark.parametrize("groups", [None, np.where(EVERY_THIRD == 2, 100, np.arange(60))])
def test_margins_need_each_class_in_each_fit(monkeypatch, groups):
    monkeypatch.setattr(LinearSVC, "fit", lambda *_: pytest.fail("fitted"))
    y = EVERY_THIRD
    third = [(np.flatnonzero(y != label), np.flatnonzero(y == label)) for label in range(3)]
    model = RebalancedClassifier(LinearSVC(), cv=third if groups is None else 5)
    with pytest.raises(ValueError, match=r"`cv` must leave samples of each class to fit on.*Fold \d scores all"):
        model.fit(np.zeros((60, 2)), y, groups=groups)


def test_margins_need_weight_for_each_class_in_each_fit(monkeypatch):
    monkeypatch.setattr("longtail.estimators.rebalanced_classifier.clone", None)
    weight = np.where((EVERY_THIRD == 0) & (np.arange(60) > 0), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"`cv` must leave.* scores all samples of 0 with a weight above 0\."):
        RebalancedClassifier(LinearSVC(), cv=3).fit(np.zeros((60, 2)), EVERY_THIRD, sample_weight=weight)


class _LeavesOut(LogisticRegression):
    """Gives no scores for a class without weight, though it knows it, as support vector machines do."""

    def fit(self, X, y, sample_weight):
        self.columns_ = [label in y[sample_weight > 0] for label in np.unique(y)]
        return super().fit(X, y)

    def predict_proba(self, X):
        return super().predict_proba(X)[:, self.columns_]


def test_scores_of_too_few_classes_are_an_error_that_names_those_without_weight():
    X, weight = np.zeros((60, 2)), np.where((EVERY_THIRD == 0) & (np.arange(60) > 0), 0.0, 1.0)
    with pytest.raises(
        ValueError, match=r"in fold \d, whose samples of 0 all have a weight of 0: .* 3 classes\. Got \(20, 2"
    ):
        RebalancedClassifier(_LeavesOut(), cv=3).fit(X, EVERY_THIRD, sample_weight=weight)


def test_a_frozen_classifier_needs_weight_for_two_classes():
    frozen = FrozenEstimator(LogisticRegression().fit(np.arange(60)[:, None], EVERY_THIRD))
    model, X = RebalancedClassifier(frozen), np.arange(60)[:, None]
    assert model.fit(X, EVERY_THIRD, sample_weight=(EVERY_THIRD > 0) * 1.0).offset_.shape == (3,)
    with pytest.raises(ValueError, match=r"`sample_weight` must be above 0 for samples of at least two classes"):
        model.fit(X, EVERY_THIRD, sample_weight=(EVERY_THIRD > 1) * 1.0)


def test_folds_are_not_empty():
    with pytest.raises(ValueError, match="`cv` must have at least one pair"):
        RebalancedClassifier(LogisticRegression(), cv=[]).fit(np.zeros((30, 2)), np.arange(30) % 3)


def test_a_frozen_classifier_was_fitted():
    frozen = FrozenEstimator(LogisticRegression())
    with pytest.raises(ValueError, match="`estimator` must be fitted before"):
        RebalancedClassifier(frozen).fit(np.zeros((30, 2)), np.arange(30) % 3)


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearSVC()])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("rare", ["bee", "dog"])  # in the middle, and last
def test_a_frozen_classifier_may_know_classes_that_are_rare_or_absent_now(data, estimator, number, rare):
    X, other, y, other_y = data
    kept = np.r_[np.flatnonzero(other_y != rare), np.flatnonzero(other_y == rare)[:number]]
    share = [np.mean(other_y[kept] == name) for name in ("ant", "bee", "cod", "dog")]
    frozen = FrozenEstimator(estimator.fit(X, y))
    offsets = [
        RebalancedClassifier(frozen, metric="accuracy", prior=prior).fit(other[kept], other_y[kept]).offset_
        for prior in ("train", share)
    ]
    assert offsets[0].shape == (4,)
    np.testing.assert_array_equal(offsets[0], offsets[1])


class _InReverse(LogisticRegression):
    """Keeps its classes in an order of its own, as a classifier that is told their names does."""

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = np.unique(y)[::-1]
        return self

    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


class _MarginsInReverse(LinearSVC):
    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = np.unique(y)[::-1]
        return self

    def decision_function(self, X):
        scores = super().decision_function(X)
        return -scores if scores.ndim == 1 else scores[:, ::-1]


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize(
    ("usual", "reverse"), [(LogisticRegression(), _InReverse()), (LinearSVC(), _MarginsInReverse())]
)
def test_a_classifier_may_keep_its_classes_in_an_order_of_its_own(number, usual, reverse):
    weights, wanted = ([0.8, 0.2], [0.2, 0.8]) if number == 2 else ([0.6, 0.2, 0.2], [0.05, 0.9, 0.05])
    X, y = make_classification(600, n_informative=5, n_classes=number, weights=weights, random_state=0)
    y, prior = np.array(["ant", "bee", "cod"])[y], dict(zip(["ant", "bee", "cod"], wanted, strict=False))
    models = [
        RebalancedClassifier(each, metric="accuracy", prior=prior, cv=3, random_state=0).fit(X, y)
        for each in (usual, reverse)
    ]
    assert models[1].classes_.tolist() == models[0].classes_.tolist()[::-1]
    offsets = [model.offset_ - model.offset_.mean() for model in models]
    assert offsets[0].any()
    np.testing.assert_allclose(offsets[1], offsets[0][::-1], atol=1e-4)
    assert (models[1].predict(X) == models[0].predict(X)).mean() > 0.99
    np.testing.assert_allclose(models[1].predict_proba(X), models[0].predict_proba(X)[:, ::-1], atol=1e-3)
    assert models[1].score(X, y) == pytest.approx(models[0].score(X, y), abs=0.01)


class _ToldNames(LogisticRegression):
    """Knows its classes under names that it is told, as CatBoost does by `class_names`."""

    def __init__(self, class_names=()):
        super().__init__()
        self.class_names = class_names

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = np.array(self.class_names, dtype=object)
        return self


def test_classes_are_matched_by_name_where_a_classifier_is_told_other_labels():
    X = np.random.default_rng(0).normal(size=(90, 2)) + EVERY_THIRD[:30].repeat(3)[:, None]
    y = EVERY_THIRD[:30].repeat(3)
    model = RebalancedClassifier(_ToldNames(["0", "1", "2"]), cv=3).fit(X, y)
    assert model.score(X, y) > 0.5
    frozen = FrozenEstimator(_ToldNames(["0", "1", "2"]).fit(X, y))
    assert RebalancedClassifier(frozen, cv=3).fit(X, y).diagnosis_.before.accuracy > 0.5


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0", "1", "three"], "It does not know 2. If it is told its classes, as by `class_names`, name those of `y`"),
        (["0", "1", "2", "3"], r"It knows \['0', '1', '2', '3'\]\. If it is told"),
    ],
)
def test_a_classifier_that_is_told_other_classes_is_refused(names, message):
    X = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(ValueError, match=message):
        RebalancedClassifier(_ToldNames(names), cv=3).fit(X, EVERY_THIRD)


def test_classes_of_a_frozen_classifier_are_matched_by_name(data):
    X, other, y, other_y = data
    models = [
        RebalancedClassifier(FrozenEstimator(estimator.fit(X, y)), metric="macro-f1").fit(other, other_y)
        for estimator in (LogisticRegression(), _InReverse())
    ]
    assert models[0].diagnosis_.before.accuracy == models[1].diagnosis_.before.accuracy
    np.testing.assert_allclose(models[1].offset_[::-1], models[0].offset_, atol=1e-6)
    assert (models[1].predict(X) == models[0].predict(X)).mean() > 0.99


@pytest.mark.slow
def test_weights_reach_the_offsets_of_a_frozen_classifier(data):
    X, other, y, other_y = data
    frozen = FrozenEstimator(LogisticRegression().fit(X, y))
    weight = np.where(np.arange(len(other)) % 2, 1.0, 0.0)
    weighted = RebalancedClassifier(frozen, random_state=0).fit(other, other_y, sample_weight=weight)
    odd = RebalancedClassifier(frozen, random_state=0).fit(other[1::2], other_y[1::2])
    np.testing.assert_allclose(weighted.offset_, odd.offset_, atol=1e-8)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"random_state": -1}, ValueError, "`random_state` must be at least 0. Got -1"),
        ({"random_state": 1.5}, TypeError, "`random_state` must be an integer. Got 1.5"),
        ({"random_state": np.random.default_rng(0)}, TypeError, "`random_state` must be an integer"),
        ({"metric": "cost", "cost": [[0, "x", 1]] * 3}, TypeError, "`cost` must hold numbers. Got .*'x'"),
        ({"metric": "cost", "cost": [[0, 10**400, 1]] * 3}, TypeError, "`cost` must hold numbers"),
        ({"metric": "accuracy", "prior": ["a", "b", "c"]}, TypeError, "`prior` must hold numbers"),
        ({"cv": "five"}, TypeError, "`cv` must be a number of folds, a splitter .* Got 'five'"),
        ({"cv": 2.5}, TypeError, "`cv` must be a number of folds"),
        ({"cv": np.int64(1)}, ValueError, "`cv` must be at least 2. Got 1"),
        ({"cv": [(np.arange(60), np.arange(60))]}, ValueError, "`cv` must not score samples that it fits on"),
        ({"estimator": None}, TypeError, r"`estimator` must be an instance of a classifier, such as SVC\(\). Got None"),
        ({"estimator": LogisticRegression}, TypeError, "`estimator` must be an instance of a classifier"),
    ],
)
def test_a_setting_is_refused_by_its_name(settings, kind, message):
    model = RebalancedClassifier(**{"estimator": LogisticRegression(), **settings})
    with pytest.raises(kind, match=message):
        model.fit(np.zeros((60, 3)), EVERY_THIRD)


@pytest.mark.parametrize(
    ("y", "options", "kind", "message"),
    [
        (None, {}, ValueError, "`y` must hold the labels"),
        (np.array(["a", 1, 2] * 20, dtype=object), {}, TypeError, "`y` must hold labels of one type. Got 'a' and 1"),
        (np.ma.masked_array(EVERY_THIRD, mask=np.arange(60) == 1), {}, TypeError, "`y` must have no masked values"),
        *(
            (
                np.array(["eel", missing] * 30, dtype=object),
                {},
                ValueError,
                f"Got {missing} at index 1 .30 of 60 labels",
            )
            for missing in (None, np.nan, pd.NA)
        ),
        (
            np.stack([EVERY_THIRD, EVERY_THIRD], 1),
            {},
            ValueError,
            r"one label .* Got the shape \(60, 2\)",
        ),
        (EVERY_THIRD, {"sample_weight": ["heavy"] * 60}, TypeError, "`sample_weight` must hold numbers. Got .*'heavy'"),
        (EVERY_THIRD, {"groups": 5}, ValueError, r"`groups` must hold one group per sample, \(60,\). Got \(\)"),
    ],
)
def test_an_input_of_fit_is_refused_by_its_name(y, options, kind, message):
    with pytest.raises(kind, match=message):
        RebalancedClassifier(LogisticRegression()).fit(np.zeros((60, 3)), y, **options)


@pytest.mark.slow
def test_the_number_of_folds_may_be_an_integer_of_numpy(data):
    X, _, y, _ = data
    one, other = (RebalancedClassifier(LogisticRegression(), cv=cv).fit(X, y) for cv in (3, np.int64(3)))
    np.testing.assert_array_equal(one.offset_, other.offset_)
