import copy
import dataclasses
import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from longtail.repair import Fix

NAMES = ("d", "a", "c", "b")  # scikit-learn sorts classes, a fix need not


def fix_of(number, takes="logits", temperature=1.7):
    offset, even = np.random.default_rng(0).normal(size=number), np.full(number, 1 / number)
    return Fix(offset, temperature, offset / temperature, even, NAMES[:number], "accuracy", "by hand", takes=takes)


def data(number):
    x, y = make_classification(
        1200, 10, n_informative=6, n_classes=number, weights=[0.7] + [0.3 / (number - 1)] * (number - 1), random_state=0
    )
    return x, np.array(NAMES)[y]


def scores(model, x, takes, number):
    """What a fix takes, its columns in the fix's order."""
    found = model.predict_proba(x) if takes == "probabilities" else model.decision_function(x)
    found = np.stack([np.zeros(len(x)), found], 1) if found.ndim == 1 else found
    return found[:, [list(model.classes_).index(name) for name in NAMES[:number]]]


LINEAR = {
    "logistic regression": LogisticRegression(),
    "without an intercept": LogisticRegression(fit_intercept=False),
    "discriminant analysis": LinearDiscriminantAnalysis(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "support vectors": LinearSVC(random_state=0),
    "support vectors without an intercept": LinearSVC(fit_intercept=False, random_state=0),
    "ridge": RidgeClassifier(),
    "perceptron": Perceptron(random_state=0),
    "SGD": SGDClassifier(loss="log_loss", random_state=0),
    "modified Huber": SGDClassifier(loss="modified_huber", random_state=0),
}
SOFTMAX = tuple(LINEAR)[:4]


@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("takes", ["logits", "probabilities"])
@pytest.mark.parametrize("name", LINEAR)
def test_the_folded_classifier_decides_as_the_fix(name, takes, number):
    x, y = data(number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a Perceptron that does not converge
        model = copy.deepcopy(LINEAR[name]).fit(x, y)
    fix, before = fix_of(number, takes), model.predict(x)
    if takes == "probabilities" and name not in (*SOFTMAX, *(["SGD"] if number == 2 else [])):
        with pytest.raises(TypeError, match="one-vs-rest|must have predict_proba"):
            fix.fold_into(model)
        return
    folded, given = fix.fold_into(model), scores(model, x, takes, number)
    assert (folded.predict(x) == fix.predict(given, names=True)).all()
    assert (folded.predict(x) != before).any()
    assert (model.predict(x) == before).all()
    if name in SOFTMAX:
        np.testing.assert_allclose(scores(folded, x, "probabilities", number), fix.predict_proba(given), atol=1e-9)


def test_a_sparse_matrix_of_coefficients():
    x, y = data(4)
    model, fix = LogisticRegression(C=0.01, l1_ratio=1, solver="saga", max_iter=500).fit(x, y).sparsify(), fix_of(4)
    assert (fix.fold_into(model).predict(x) == fix.predict(scores(model, x, "logits", 4), names=True)).all()


def test_classes_that_are_numbers():
    x, y = data(4)
    fix = dataclasses.replace(fix_of(4), class_names=("3", "0", "2", "1"))
    for dtype in (np.int64, np.float64):
        model = LogisticRegression().fit(x, np.array([NAMES.index(name) for name in y]).astype(dtype))
        given = model.decision_function(x)[:, [3, 0, 2, 1]]
        assert (fix.fold_into(model).predict(x) == fix.predict(given, names=True).astype(dtype)).all()


def test_other_classes_are_refused():
    x, y = data(4)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    fix = dataclasses.replace(fix_of(4), class_names=("apple", "a", "c", "b"))
    with pytest.raises(ValueError, match="Only the fix has 'apple', only the classifier 'd'"):
        fix.fold_into(model)
    with pytest.raises(ValueError, match="The fix has 2 .'d', 'a'., the classifier 4"):
        fix_of(2).fold_into(model)
    with pytest.raises(ValueError, match="`layer` must not be given for a scikit-learn estimator"):
        fix_of(4).fold_into(model, layer="logisticregression")


OTHERS = {
    "not fitted": (lambda *_: LogisticRegression(), "Got LogisticRegression. If it is one, fit it first"),
    "a search": (
        lambda x, y: GridSearchCV(LogisticRegression(), {"C": [1.0]}).fit(x, y),
        "Got a GridSearchCV: fold into its `best_estimator_`",
    ),
    "calibrated": (lambda x, y: CalibratedClassifierCV(LinearSVC()).fit(x, y), "Apply the fix to its scores instead"),
    "a vote": (
        lambda x, y: VotingClassifier([("a", LogisticRegression())]).fit(x, y),
        "Apply the fix to its scores instead",
    ),
    "one against one": (lambda x, y: SVC(kernel="linear").fit(x, y), "coef_` that can be set. .* use LinearSVC"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_estimators_are_refused(name):
    make, message = OTHERS[name]
    with pytest.raises(TypeError, match=message):
        fix_of(4).fold_into(make(*data(4)))


@pytest.mark.slow
def test_a_pipeline_on_real_texts(real_data):
    """TREC questions: the folded pipeline takes texts and decides as the fix does on its scores."""
    lines = (real_data / "text/trec_train_5500.label").read_text(encoding="latin-1").splitlines()
    labels, texts = (list(column) for column in zip(*(line.split(" ", 1) for line in lines), strict=True))
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=500)).fit(texts, labels)
    names = tuple(str(name) for name in np.random.default_rng(0).permutation(model.classes_))
    offset, even = np.random.default_rng(1).normal(size=len(names)), np.full(len(names), 1 / len(names))
    fix = Fix(offset, 2.0, offset / 2, even, names, "balanced accuracy", "by hand", takes="probabilities")
    given = model.predict_proba(texts)[:, [list(model.classes_).index(name) for name in names]]
    folded = fix.fold_into(model)
    assert (folded.predict(texts) == fix.predict(given, names=True)).all()
    assert (folded.predict(texts) != model.predict(texts)).sum() > 100
