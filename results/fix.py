"""How good `longtail fix` is on text: what it promises from cross-validated predictions, and what the test set says.

    python results/fix.py --text DIR [--seeds 3] [--json results/fix.json]
    python results/fix.py --json results/fix.json     # the tables of what is there

DIR holds the training and test files of TREC's fine-grained questions (`trec_train_5500.label`, `trec_test_500.label`)
and of BANKING77 (`banking77_train.csv`, `banking77_test.csv`). Models of scikit-learn on TF-IDF of words and pairs of
words; their predictions on the training set are those of 4-fold cross-validation, a seed orders the folds. Nothing is
fitted on the test set.
"""

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from longtail.metrics import balanced_accuracy
from longtail.plain_json import to_json
from longtail.repair import diagnose
from longtail.repair.folds import stratified_folds
from longtail.reports.cells import spread
from longtail.whole_file import write_whole

MODELS = {
    "logistic regression": LogisticRegression(C=10, max_iter=300),
    "logistic regression, class_weight": LogisticRegression(C=10, max_iter=300, class_weight="balanced"),
    "linear SVM": LinearSVC(),
    "linear SVM, class_weight": LinearSVC(class_weight="balanced"),
    "naive Bayes": MultinomialNB(alpha=0.1),
}
Texts = tuple[list[str], list[str]]


def trec(folder: Path) -> tuple[Texts, Texts]:
    def read(name: str) -> Texts:
        lines = (folder / name).read_text(encoding="latin-1").splitlines()
        labels, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
        return list(texts), list(labels)

    return read("trec_train_5500.label"), read("trec_test_500.label")


def banking(folder: Path) -> tuple[Texts, Texts]:
    def read(name: str) -> Texts:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [row["text"] for row in rows], [row["category"] for row in rows]

    return read("banking77_train.csv"), read("banking77_test.csv")


DATA = {"TREC, 50 classes": trec, "BANKING77": banking}


def run(model: Any, train: Any, target: np.ndarray, test: Any, truth: np.ndarray, seed: int) -> dict[str, Any]:
    """One diagnosis, and what the test set says of it."""
    fold = stratified_folds(target, 4, seed)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(4)]
    method = "predict_log_proba" if hasattr(model, "predict_log_proba") else "decision_function"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that a fold lacks, and of solvers at their last iteration
        scores = cross_val_predict(model, train, target, cv=splits, method=method)
        fitted = model.fit(train, target)
    logits, fresh = (np.clip(z, -1e4, 1e4) for z in (scores, getattr(fitted, method)(test)))
    number = logits.shape[1]
    found = diagnose(logits, target, class_counts=np.bincount(target, minlength=number), seed=seed)
    best = max((o for o in found.outcomes if o.failure is None), key=lambda o: o.gain)
    after = found.fix.predict(fresh)
    return {
        "verdict": found.verdict,
        "method": found.fix.method,
        "promised": best.gain if found.verdict == "use" else 0.0,
        "interval": list(best.interval),
        "before": float(balanced_accuracy(fresh.argmax(1), truth, number)),
        "after": float(balanced_accuracy(after, truth, number)),
        "accuracy_before": float((fresh.argmax(1) == truth).mean()),
        "accuracy_after": float((after == truth).mean()),
    }


def all_runs(folder: Path, seeds: int) -> Iterator[dict[str, Any]]:
    for data, read in DATA.items():
        (texts, labels), (test_texts, test_labels) = read(folder)
        names = sorted(set(labels))
        place = {name: index for index, name in enumerate(names)}
        target, truth = (np.array([place[label] for label in part]) for part in (labels, test_labels))
        vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        train, test = vectors.fit_transform(texts), vectors.transform(test_texts)
        for name, model in MODELS.items():
            for seed in range(seeds):
                result = run(model, train, target, test, truth, seed)
                print(f"{data}, {name}, seed {seed}: {result}", file=sys.stderr, flush=True)
                yield {"data": data, "model": name, "seed": seed, **result}


def table(runs: list[dict[str, Any]]) -> str:
    lines = [
        "| data | model | verdict | promised gain | test before | test after | true gain | inside the interval "
        "| accuracy before | after |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for data, model in dict.fromkeys((r["data"], r["model"]) for r in runs):
        group = [r for r in runs if (r["data"], r["model"]) == (data, model)]
        said = [r["verdict"] for r in group]
        verdicts = ", ".join(f"{verdict} {said.count(verdict)}" for verdict in sorted(set(said)))
        inside = sum(r["interval"][0] <= r["after"] - r["before"] <= r["interval"][1] for r in group)
        gains = [r["after"] - r["before"] for r in group]
        cells = [spread([r[key] for r in group]) for key in ("promised", "before", "after")]
        accuracy = [spread([r[key] for r in group]) for key in ("accuracy_before", "accuracy_after")]
        lines.append(
            f"| {data} | {model} | {verdicts} | {' | '.join(cells)} | {spread(gains)} | {inside} of {len(group)} "
            f"| {' | '.join(accuracy)} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="the folder of the texts; without it, the JSON file is read")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="written, or read")
    options = parser.parse_args()
    if not options.text and not options.json:
        parser.error("give --text DIR, or --json with a file of results")
    runs = list(all_runs(options.text, options.seeds)) if options.text else json.loads(options.json.read_text())
    if options.text and options.json:
        with write_whole(options.json) as file:
            file.write((to_json(runs, indent=1) + "\n").encode())
    print(table(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
