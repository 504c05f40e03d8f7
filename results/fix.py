"""How good `longtail fix` is: what it promises from held-out predictions, and what the test set says.

    python results/fix.py --text DIR [--seeds 10] [--json results/fix.json]     # texts and tables of features
    python results/fix.py --runs RUN [RUN …] --json results/fix.json            # adds training runs
    python results/write_pages.py fix                                           # results/fix.md

DIR holds the training and test files of TREC's fine-grained questions (`trec_train_5500.label`, `trec_test_500.label`)
and of BANKING77 (`banking77_train.csv`, `banking77_test.csv`). Seed 0 is the official split; every other seed draws one
of the same sizes from all texts, stratified. Features of the texts are TF-IDF of words and pairs of words. The
diagnosis sees 4-fold cross-validated predictions on the training set, of a run the held-out images; nothing is fitted
on a test set.
"""

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV, cross_val_predict, train_test_split
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from longtail.data import long_tailed_indices
from longtail.metrics import balanced_accuracy
from longtail.plain_json import to_json
from longtail.repair import diagnose, read_predictions
from longtail.repair.calibration import log_probabilities
from longtail.repair.findings import Diagnosis
from longtail.repair.folds import stratified_folds
from longtail.runs import RunFolder, current_versions
from longtail.whole_file import write_whole

FOLDS = 4
TEXT_MODELS = {
    "logistic regression": LogisticRegression(C=10, max_iter=300),
    "linear SVM": LinearSVC(),
    "naive Bayes": MultinomialNB(alpha=0.1),
}
TREES = {"boosted trees": HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0)}


class Case(NamedTuple):
    """A training and a test set."""

    train: Any
    target: np.ndarray
    test: Any
    truth: np.ndarray


def trec(folder: Path) -> tuple[list[str], list[str], int]:
    texts: list[str] = []
    labels: list[str] = []
    for name in ("trec_train_5500.label", "trec_test_500.label"):
        for line in (folder / name).read_text(encoding="latin-1").splitlines():
            label, text = line.split(" ", 1)
            labels.append(label)
            texts.append(text)
    return texts, labels, 500


def banking(folder: Path) -> tuple[list[str], list[str], int]:
    rows = []
    for name in ("banking77_train.csv", "banking77_test.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows.append(list(csv.DictReader(file)))
    both = rows[0] + rows[1]
    return [row["text"] for row in both], [row["category"] for row in both], len(rows[1])


def text_case(texts: list[str], labels: list[str], test_size: int, seed: int) -> Case:
    """The official split, whose test set comes last, or one of the same sizes."""
    names, target = np.unique(labels, return_inverse=True)
    order = np.arange(len(target))
    train, test = order[:-test_size], order[-test_size:]
    if seed:
        alone = np.bincount(target)[target] < 2  # a class of one sample stays in the training set
        rest, test = train_test_split(order[~alone], test_size=test_size, stratify=target[~alone], random_state=seed)
        train = np.concatenate([rest, order[alone]])
    # Classes that training does not see can't be predicted: their texts leave the test set.
    place = np.cumsum(np.isin(np.arange(len(names)), target[train])) - 1
    test = test[np.isin(target[test], target[train])]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    fitted = vectors.fit_transform([texts[i] for i in train])
    return Case(fitted, place[target[train]], vectors.transform([texts[i] for i in test]), place[target[test]])


def digits_case(seed: int) -> Case:
    """8 × 8 pixels as a table of 64 numbers; half of each class is the test set, the other half gets a long tail."""
    pixels, digits = load_digits(return_X_y=True)
    train, test, target, truth = train_test_split(pixels, digits, test_size=0.5, stratify=digits, random_state=seed)
    kept = long_tailed_indices(target, 20, seed=seed)
    return Case(train[kept], target[kept], test, truth)


def made_case(seed: int) -> Case:
    """20 classes of made-up features, their frequencies from 1 to 1 / 50; the test set has the same tail."""
    prior = 0.02 ** (np.arange(20) / 19)
    features, labels = make_classification(
        12_000, 20, n_informative=12, n_classes=20, n_clusters_per_class=1, weights=list(prior / prior.sum()),
        class_sep=1.0, flip_y=0.0, random_state=seed,
    )  # fmt: skip
    train, test, target, truth = train_test_split(features, labels, test_size=0.5, stratify=labels, random_state=seed)
    return Case(train, target, test, truth)


def cases(folder: Path, seeds: int) -> Iterator[tuple[str, int, Case, dict[str, Any]]]:
    for name, make in {"digits, 10 classes": digits_case, "made up, 20 classes": made_case}.items():
        for seed in range(seeds):
            yield name, seed, make(seed), TREES
    for name, read in {"TREC, 50 classes": trec, "BANKING77": banking}.items():
        content = read(folder)
        for seed in range(seeds):
            yield name, seed, text_case(*content, seed), TEXT_MODELS


def scores(model: Any, features: Any) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return log_probabilities(model.predict_proba(features), 1e-30)
    return np.asarray(model.decision_function(features))


def cross_validated(model: Any, case: Case, seed: int) -> np.ndarray:
    fold = stratified_folds(case.target, FOLDS, seed)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    method = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
    predicted = cross_val_predict(model, case.train, case.target, cv=splits, method=method)
    return log_probabilities(predicted, 1e-30) if method == "predict_proba" else np.maximum(predicted, -1e4)


def thresholds(model: Any, case: Case) -> np.ndarray:
    """Decisions by one threshold a class, tuned one-vs-rest: the largest score above its class's threshold."""
    margins = []
    for label in range(int(case.target.max()) + 1):
        tuned = TunedThresholdClassifierCV(clone(model), scoring="balanced_accuracy", cv=3, random_state=0)
        tuned.fit(case.train, case.target == label)
        own = tuned.estimator_
        score = (
            own.predict_proba(case.test)[:, 1] if hasattr(own, "predict_proba") else own.decision_function(case.test)
        )
        margins.append(score - tuned.best_threshold_)
    return np.asarray(np.argmax(margins, axis=0))


def of_model(data: str, name: str, model: Any, case: Case, seed: int) -> dict[str, Any]:
    number = int(case.target.max()) + 1
    fitted = clone(model).fit(case.train, case.target)
    logits, fresh = cross_validated(clone(model), case, seed), scores(fitted, case.test)
    result = judged(logits, case.target, fresh, case.truth, np.bincount(case.target, minlength=number), seed)
    if "class_weight" in model.get_params():
        weighted = clone(model).set_params(class_weight="balanced")
        plain = scores(clone(weighted).fit(case.train, case.target), case.test)
        both = diagnose(cross_validated(weighted, case, seed), case.target, seed=seed)
        result["class_weight"] = float(balanced_accuracy(plain.argmax(1), case.truth, number))
        result["class_weight_and_fix"] = float(balanced_accuracy(both.fix.predict(plain), case.truth, number))
    result["thresholds"] = float(balanced_accuracy(thresholds(model, case), case.truth, number))
    return {"data": data, "model": name, "seed": seed, **result}


def of_run(path: Path) -> dict[str, Any]:
    """The diagnosis of the held-out images, and what the test set says."""
    held_out, test = read_predictions(path), read_predictions(path, part="test")
    assert held_out.class_counts is not None
    result = judged(held_out.logits, held_out.target, test.logits, test.target, held_out.class_counts, 0)
    config = RunFolder.open(path).header["config"]
    data = f"{config['dataset']}, imbalance {config['imbalance']:g}"
    return {"data": data, "model": f"network, {config['loss']}", "seed": config["seed"], **result}


def judged(
    logits: np.ndarray, target: np.ndarray, fresh: np.ndarray, truth: np.ndarray, counts: np.ndarray, seed: int
) -> dict[str, Any]:
    """What a diagnosis promises, and what new data say of it."""
    found = diagnose(logits, target, class_counts=counts, seed=seed)
    best = best_of(found)
    number = logits.shape[1]
    fresh = np.maximum(fresh, -1e4)
    after, anyway = found.fix.predict(fresh), (fresh + best.offset).argmax(1)
    return {
        "verdict": found.verdict,
        "method": found.fix.method,
        "held_out_before": found.before.score,
        "cross_fitted": {o.name: o.scores.score if o.scores else None for o in found.outcomes},
        "promised": best.gain if found.verdict == "use" else 0.0,
        "interval": list(best.interval),
        "before": float(balanced_accuracy(fresh.argmax(1), truth, number)),
        "after": float(balanced_accuracy(after, truth, number)),
        "anyway": float(balanced_accuracy(anyway, truth, number)),
        "accuracy_before": float((fresh.argmax(1) == truth).mean()),
        "accuracy_after": float((after == truth).mean()),
    }


def best_of(found: Diagnosis) -> Any:
    return max((outcome for outcome in found.outcomes if outcome.failure is None), key=lambda outcome: outcome.gain)


def all_results(options: argparse.Namespace, known: set[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:
    for path in options.runs:
        yield of_run(path)
    if options.text:
        for data, seed, case, models in cases(options.text, options.seeds):
            for name, model in models.items():
                if (data, name, seed) in known:
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of classes that a fold lacks, and of solvers at their last step
                    yield of_model(data, name, model, case, seed)


def save(results: list[dict[str, Any]], path: Path) -> None:
    with write_whole(path) as file:
        file.write((to_json(results, indent=1) + "\n").encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="the folder of the texts")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="run folders with held-out images")
    parser.add_argument("--json", type=Path, required=True, help="added to; cases that are there are not run again")
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.exists() else []
    versions = current_versions() | {"scikit-learn": sklearn.__version__}
    known = {(r["data"], r["model"], r["seed"]) for r in results}
    for result in all_results(options, known):
        same = [r for r in results if all(r[key] == result[key] for key in ("data", "model", "seed"))]
        results = [r for r in results if r not in same] + [result | {"versions": versions}]
        save(results, options.json)
        print({key: result[key] for key in ("data", "model", "seed", "verdict", "before", "after")}, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
