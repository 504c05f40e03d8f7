"""Questions of TREC in 50 classes of 962 to 4: what the diagnosis promises, and what the test set then says."""

import warnings

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import cross_val_predict

from longtail.metrics import balanced_accuracy
from longtail.repair import diagnose
from longtail.repair.folds import stratified_folds


@pytest.fixture(scope="module")
def trec(real_data):
    def read(name):
        lines = (real_data / "text" / name).read_text(encoding="latin-1").splitlines()
        return tuple(zip(*(line.split(" ", 1) for line in lines), strict=True))

    (labels, texts), (test_labels, test_texts) = read("trec_train_5500.label"), read("trec_test_500.label")
    names = sorted(set(labels))
    vectors = TfidfVectorizer(sublinear_tf=True)
    train, test = vectors.fit_transform(texts), vectors.transform(test_texts)
    return (
        train,
        np.array([names.index(n) for n in labels]),
        test,
        np.array([names.index(n) for n in test_labels]),
        names,
    )


@pytest.mark.slow
def test_the_gain_on_the_tail_is_real(trec):
    train, target, test, truth, names = trec
    model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
    fold = stratified_folds(target, 3, 0)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that a fold lacks
        scores = cross_val_predict(model, train, target, cv=splits, method="predict_proba")
    found = diagnose(np.log(np.maximum(scores, 1e-30)), target, class_counts=np.bincount(target), class_names=names)
    assert found.verdict == "use"
    assert found.groups == {"many": 16, "medium": 19, "few": 15}
    fresh = np.log(np.maximum(model.fit(train, target).predict_proba(test), 1e-30))
    before, after = (float(balanced_accuracy(p, truth, 50)) for p in (fresh.argmax(1), found.fix.predict(fresh)))
    assert after > before + 0.02
    assert found.calibration.class_wise[1] < 0.7 * found.calibration.class_wise[0]
