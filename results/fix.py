"""How good `longtail fix` is: what it promises from held-out predictions, and what the test set says.

    python results/fix.py --text DIR --table DIR --features FILE --predictions DIR --json results/fix.json
    python results/write_pages.py fix                                           # results/fix.md

`--text` has TREC's fine-grained questions (`trec_train_5500.label`, `trec_test_500.label`), BANKING77
(`banking77_train.csv`, `banking77_test.csv`: text, category), `hwu64/` (train, test) and `goemotions/` (train, val,
test; csv.gz: text, label); `--table` has `shuttle/` (train, test; csv.gz: x0 … x8, label). `--features` is the file of
the fish that `natural_tails.py` writes (features, labels, groups), `--predictions` a folder of published predictions
(npz: logits or probabilities, target).

The diagnosis sees the held-out set of GoEmotions and of the fish, else 4-fold cross-validated predictions on the
training set; of published predictions one half. Nothing is fitted on a test set. Each case is written when it is
finished; the same command resumes.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

from checkout import current_commit
from fix_data import HALVINGS, SEEDS, published, splits_of
from fix_measured import measured, scored
from fix_models import MODELS, NOT_TUNED, TUNED_SEEDS, Predictions, above_refitted_thresholds, predictions, weighted
from fix_splits import Case, Samples, halves
from json_file import write_json
from longtail.repair import diagnose
from longtail.runs import current_versions

PUBLISHED = "as published"
NEEDED = {
    "text": (
        *("trec_train_5500.label", "trec_test_500.label", "banking77_train.csv", "banking77_test.csv"),
        *("hwu64/train.csv.gz", "hwu64/test.csv.gz"),
        *(f"goemotions/{part}.csv.gz" for part in ("train", "val", "test")),
    ),
    "table": ("shuttle/train.csv.gz", "shuttle/test.csv.gz"),
    "features": ("",),
    "predictions": ("",),
}
"""Files of each option, relative to it."""
Key = tuple[str, str, int]
OneCase = tuple[Key, Callable[[], dict[str, Any]]]


def of_model(data: str, model: Any, split: Callable[[int], Case], seed: int) -> dict[str, Any]:
    """One case: a model on one split, its fix, and the same with class weights."""
    case = split(seed)
    counts = np.bincount(case.train.target)
    predicted = predictions(model, case, seed)
    row = measured(predicted, counts, seed)
    if data not in NOT_TUNED and seed < TUNED_SEEDS:
        row["others"]["refitted thresholds"] = scored(above_refitted_thresholds(model, case), predicted.test)
    if (with_weights := weighted(model)) is not None:
        seen, fresh, _ = predictions(with_weights, case, seed)
        fix = diagnose(seen.features, seen.target, class_counts=counts, groups=seen.groups, seed=seed).fix
        row["others"]["class_weight"] = scored(fresh.features.argmax(1), fresh)
        row["others"]["class_weight and fix"] = scored(fix.predict(fresh.features), fresh)
    return row


def of_halves(whole: Samples, seed: int) -> dict[str, Any]:
    """One case: fitted on a half of published predictions, measured on the other."""
    return measured(Predictions(*halves(whole, seed)), None, seed)


def cases(options: argparse.Namespace) -> Iterator[OneCase]:
    """All cases by data, model and seed: the first seed of all data, then the second, and so on."""
    splits = splits_of(options.text, options.table, options.features)
    files = dict(published(options.predictions)) if options.predictions else {}
    for seed in range(max(HALVINGS, *SEEDS.values())):
        for data, split in splits.items():
            for name, model in MODELS[data].items():
                if seed < min(SEEDS[data], options.seeds):
                    yield (data, name, seed), partial(of_model, data, model, split, seed)
        for data, whole in files.items():
            if seed < min(HALVINGS, options.seeds):
                yield (data, PUBLISHED, seed), partial(of_halves, whole, seed)


def wanted(options: argparse.Namespace) -> list[OneCase]:
    """The cases of the data that are named, or all.

    Raises:
        ValueError: there are no such data.
    """
    found = list(cases(options))
    names = dict.fromkeys(data for (data, _, _), _ in found)
    if unknown := set(options.only or names) - set(names):
        raise ValueError(f"--only must name data of {', '.join(names)}. Got {', '.join(sorted(unknown))}.")
    return [(key, compute) for key, compute in found if key[0] in (options.only or names)]


def environment() -> dict[str, Any]:
    versions = current_versions() | {"scikit-learn": sklearn.__version__}
    return {"commit": current_commit(), "versions": versions}


def earlier_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of an earlier call.

    Raises:
        ValueError: they are from before rows named their commit.
    """
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    if not all("commit" in row for row in rows):
        raise ValueError(
            f"--json must be a new file, or one that this version of the script began. Got {path}, which has results "
            "of an older version. Move it away, or name another file."
        )
    return rows


def check_files(options: argparse.Namespace) -> None:
    """Before any work.

    Raises:
        FileNotFoundError: an option lacks a file, or there is no folder for the results.
    """
    if not options.json.parent.is_dir():
        raise FileNotFoundError(f"--json must be in a folder that exists. Got {options.json}.")
    for name, files in NEEDED.items():
        given: Path | None = getattr(options, name)
        missing = [] if given is None else [str(given / file) for file in files if not (given / file).exists()]
        if missing:
            raise FileNotFoundError(f"--{name} must have the files that --help names. Missing: {', '.join(missing)}.")


def save(rows: list[dict[str, Any]], path: Path) -> None:
    write_json(path, rows, indent=1)


def run(chosen: list[OneCase], rows: list[dict[str, Any]], path: Path) -> None:
    known, about = {(row["data"], row["model"], row["seed"]) for row in rows}, environment()
    for key, compute in chosen:
        if key in known:
            continue
        before = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that a fold lacks, and of solvers at their last step
            row = compute()
        rows.append(dict(zip(("data", "model", "seed"), key, strict=True)) | row | about)
        save(rows, path)
        seconds = time.process_time() - before
        print(f"{', '.join(map(str, key))}: {row['verdict']}, {seconds:.0f} s of CPU", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="a folder of texts")
    parser.add_argument("--table", type=Path, help="a folder of tables")
    parser.add_argument("--features", type=Path, help="a file of features")
    parser.add_argument("--predictions", type=Path, help="a folder of published predictions")
    parser.add_argument("--only", nargs="+", metavar="DATA", help="data by name, such as TREC or derma_resnet18")
    parser.add_argument("--seeds", type=int, default=HALVINGS, help="at most so many splits of each data set")
    parser.add_argument("--json", type=Path, required=True, help="added to; cases that are there are not run again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        check_files(options)
        rows = earlier_rows(options.json)
        chosen = wanted(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    run(chosen, rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
