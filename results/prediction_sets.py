"""Prediction sets on images of plankton: their coverage and size, by score and thresholds.

    python results/prediction_sets.py --data DIR --weights FILE --work DIR --json results/prediction-sets.json
    python results/write_pages.py prediction-sets

The options are those of `natural_tails.py plankton`. Its features and runs in the working folder are used again, and
missing ones are computed. The test part of each split is divided at random: sets are fitted on one half and scored on
the other. Offsets of `longtail fix`, and the sets of the runs themselves, come from the validation part.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from checkout import current_commit
from json_file import write_json
from longtail.auto import load
from longtail.auto.run_sets import RunSets
from longtail.metrics import set_scores
from longtail.posthoc import PredictionSets
from longtail.runs import RunFolder, current_versions
from natural_tails import SPLITS, Trial, kept_features, trained

MISCOVERAGE = 0.1
CURVE = (0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)
BETWEEN = (0.5, 0.9, 0.99)
RULES = (("raw", "softmax"), ("raw", "prevalence-adjusted"), ("fixed", "softmax"))
"""Pairs of predictions and score."""
LOSSES = ("ce", "balanced-softmax", "gala")
"""Losses of the runs whose own sets are scored."""


def scores(found: np.ndarray, target: np.ndarray, counts: np.ndarray) -> dict[str, float | None]:
    """The scalars of `set_scores`, and the share of classes with a coverage of at most one half."""
    result = set_scores(found, target, class_counts=counts)
    of_classes = result.class_coverage[result.support > 0]
    named = {**result.scalars(), "mostly_missed": (of_classes <= 0.5).double().mean().item()}
    return {name: None if np.isnan(value) else value for name, value in named.items()}


def predictions_of(run: RunFolder) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Test logits, raw and with the offsets of the run's fix, and labels."""
    logits, target = run.load_predictions("test")
    fix = load(run.path).fix
    return {"raw": logits, "fixed": logits if fix is None else np.asarray(fix(logits))}, target


def halves(number: int, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the samples that sets are fitted on, and of those that they are scored on."""
    order = np.random.default_rng(split).permutation(number)
    return order[: number // 2], order[number // 2 :]


def rows_of(
    logits: dict[str, np.ndarray], target: np.ndarray, counts: np.ndarray, split: int
) -> Iterator[dict[str, Any]]:
    """The scores of all sets on one split."""
    fitted_on, scored = halves(len(target), split)
    for predictions, score in RULES:
        asked: list[tuple[float, str | float]] = [(miscoverage, "marginal") for miscoverage in CURVE]
        asked += [(MISCOVERAGE, thresholds) for thresholds in (*BETWEEN, "classwise")]
        for miscoverage, thresholds in asked:
            sets = PredictionSets(miscoverage, score, thresholds, class_counts=counts)
            sets.fit(logits[predictions][fitted_on], target[fitted_on])
            found = sets.predict_sets(logits[predictions][scored])
            yield {
                "split": split,
                "predictions": predictions,
                "score": score,
                "thresholds": thresholds,
                "miscoverage": miscoverage,
                "in_every_set": int((sets.thresholds_ == 0).sum()),
                **scores(found, target[scored], counts),
            }


def row_of_run(run: RunFolder, method: str, split: int) -> dict[str, Any]:
    """The scores of the sets of `longtail predict RUN --sets`, fitted on the validation part, as the fix is."""
    counts = np.array((run.result or {})["class_counts"])
    sets = RunSets.fitted(
        *run.load_predictions("validation"), class_counts=counts, miscoverage=MISCOVERAGE, prior="uniform"
    )
    logits, target = run.load_predictions("test")
    scored = halves(len(target), split)[1]
    fix = load(run.path).fix
    assert fix is not None
    predicted = np.asarray(fix.predict_proba(logits[scored])).argmax(1)
    return {
        "split": split,
        "predictions": f"run {method}",
        "score": "prevalence-adjusted",
        "thresholds": "marginal",
        "miscoverage": MISCOVERAGE,
        "in_every_set": 0,
        **scores(sets.holds(logits[scored], predicted), target[scored], counts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=SPLITS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    data = kept_features("plankton", options.data, options.weights, options.work)
    rows: list[dict[str, Any]] = []
    samples, class_counts = [], []
    for split in range(options.splits):
        run = trained(Trial("ce"), split, data, options.work)
        logits, target = predictions_of(run)
        class_counts.append((run.result or {})["class_counts"])
        rows += rows_of(logits, target, np.array(class_counts[-1]), split)
        rows += [row_of_run(trained(Trial(name), split, data, options.work), name, split) for name in LOSSES]
        samples.append([len(half) for half in halves(len(target), split)])
        print(f"split {split}: {len(rows)} rows", file=sys.stderr, flush=True)
    content = {
        "commit": current_commit(),
        "versions": current_versions(),
        "class_counts": class_counts,
        "samples": samples,
        "rows": rows,
    }
    write_json(options.json, content)
    print(f"written: {options.json}, {len(rows)} rows")


if __name__ == "__main__":
    main()
