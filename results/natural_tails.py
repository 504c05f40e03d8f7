"""Losses, second stages and fixes on two natural long tails, for classifiers on the features of a pretrained network.

    python results/natural_tails.py fish --data DIR --weights FILE --work DIR --json results/fish.json
    python results/natural_tails.py plankton --data DIR --weights FILE --work DIR --json results/plankton.json
    python results/write_pages.py fish plankton

For fish, DIR has the class folders of Fish4Knowledge in `images`, and `groups.csv` (path,group: the trajectory of a
fish); for plankton `ndsb48.npz` (x, y). FILE has the weights of EfficientNet-Lite0 (`convert_lite.py` writes it).
Features of all images are extracted once, at 128 pixels. Ten splits are drawn by class, and by trajectory if there are
any: 20 % test, 10 % validation, on which fixes are fitted. Each method trains once on each split, with the split's
number as its seed. Finished runs are kept in the working folder, so that the same command resumes.
"""

import argparse
import csv
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from checkout import current_commit
from json_file import write_json
from longtail.auto import extract_features, load, train_and_fix
from longtail.losses.catalogue import LOSSES
from longtail.metrics import long_tail_scores
from longtail.posthoc import PostHocLogitAdjustment
from longtail.recipes import features
from longtail.recipes.methods import with_method
from longtail.recipes.second_stages import second_stage
from longtail.runs import RunFolder, current_versions
from longtail.training import TrainingConfig
from longtail.whole_file import write_whole

MODEL, SIZE = "tf_efficientnet_lite0", 128
SPLITS = 10
TEST, VALIDATION = 0.2, 0.1
TAUS = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0)
LAMBDAS = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
SECOND = ("crt", "lws", "tau-norm", "ncm")
FEW_IMAGES = 100


class Trial(NamedTuple):
    """One training: a loss and its arguments, or a second stage after cross-entropy."""

    method: str
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "-".join([self.method, *(argument.replace("=", "") for argument in self.arguments)])


def trials() -> list[Trial]:
    """All losses with their papers' settings, second stages, and the strengths of two curves."""
    curves = [Trial("logit-adjustment", (f"tau={tau:g}",)) for tau in TAUS]
    curves += [Trial("gala", (f"lambda_positive={strength:g}",)) for strength in LAMBDAS]
    return [*map(Trial, LOSSES), *map(Trial, SECOND), *curves]


def fish(folder: Path, weights: Path) -> dict[str, np.ndarray]:
    """Features, labels and trajectories."""
    found = extract_features(folder / "images", model=MODEL, weights=weights, pretrained=False, size=SIZE)
    with (folder / "groups.csv").open(newline="") as file:
        trajectory = {row["path"]: row["group"] for row in csv.DictReader(file)}
    names = ["/".join(Path(path).parts[-2:]) for path in found["path"].tolist()]
    groups = np.array([trajectory[name] for name in names])
    return {"features": found["features"], "labels": found["labels"], "groups": groups}


def plankton(folder: Path, weights: Path) -> dict[str, np.ndarray]:
    """Features and labels."""
    with np.load(folder / "ndsb48.npz") as arrays, tempfile.TemporaryDirectory() as temporary:
        images = Path(temporary) / "images.npz"
        np.savez(images, images=arrays["x"], labels=arrays["y"])
        found = extract_features(images, model=MODEL, weights=weights, pretrained=False, size=SIZE)
    return {"features": found["features"], "labels": found["labels"]}


DATA = {"fish": fish, "plankton": plankton}


def kept_features(name: str, folder: Path, weights: Path, work: Path) -> Path:
    """The npz file of features and labels in the working folder, made if it is missing."""
    path = work / f"{name}.npz"
    if not path.exists():
        arrays = DATA[name](folder, weights)
        with write_whole(path) as file:
            np.savez(file, **arrays)
    return path


def trained(trial: Trial, split: int, data: Path, work: Path) -> RunFolder:
    """The run of one trial on one split, from the working folder if it is finished."""
    base = features(
        validation=VALIDATION, test_share=TEST, subset_seed=split, seed=split, model=MODEL, device="cpu", threads=1
    )
    out = work / "runs" / f"split{split}-{trial.name}"
    if trial.method in SECOND:
        first = trained(Trial("ce"), split, data, work)
        config: TrainingConfig = second_stage(first, trial.method, threads=1, device="cpu")
        return train_and_fix(config, data=data, out=out, resume=True, first_stage=first)
    config = with_method(base, trial.method, seed=split)
    return train_and_fix(dataclasses.replace(config, loss_arguments=trial.arguments), data=data, out=out, resume=True)


def scores(logits: np.ndarray, target: np.ndarray, counts: np.ndarray) -> dict[str, float | None]:
    """Scores in [0, 1] of logits (N, C); `None` for a group without test samples."""
    found = long_tail_scores(torch.from_numpy(logits), torch.from_numpy(target), class_counts=counts)
    small = long_tail_scores(
        torch.from_numpy(logits), torch.from_numpy(target), class_counts=counts, few_below=FEW_IMAGES
    )
    named = {"accuracy": found.top1, "balanced_accuracy": found.balanced_accuracy, "below_100": small.few}
    named |= {"many": found.many, "medium": found.medium, "few": found.few}
    return {key: None if value.isnan() else value.item() for key, value in named.items()}


def rows_of(run: RunFolder, trial: Trial, split: int) -> Iterator[dict[str, Any]]:
    """The scores of a run, raw and fixed; of cross-entropy also with logit adjustment after training."""
    logits, target = run.load_predictions("test")
    result = run.result or {}
    counts = np.array(result["class_counts"])
    about = {"split": split, "theta_slope": result.get("theta_slope")}
    found: dict[str, Any] = {"raw": scores(logits, target, counts)}
    predictor = load(run.path)
    if predictor.fix is not None:
        found["fixed"] = scores(np.asarray(predictor.fix(logits)), target, counts)
        about["fix"] = predictor.fix.method
    yield {"method": trial.method, "arguments": list(trial.arguments), **about, **found}
    if trial == Trial("ce"):
        for tau in TAUS:
            adjusted = PostHocLogitAdjustment(counts, tau=tau).fit().transform(logits)
            yield {
                "method": "post-hoc logit adjustment",
                "arguments": [f"tau={tau:g}"],
                "split": split,
                "raw": scores(np.asarray(adjusted), target, counts),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=DATA)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=SPLITS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    data = kept_features(options.name, options.data, options.weights, options.work)
    rows: list[dict[str, Any]] = []
    class_counts: list[list[int]] = []
    for split in range(options.splits):
        for trial in trials():
            run = trained(trial, split, data, options.work)
            rows += rows_of(run, trial, split)
            raw = rows[-1]["raw"]
            print(f"split {split}, {trial.name}: balanced accuracy {raw['balanced_accuracy']:.3f}", file=sys.stderr)
        class_counts.append((run.result or {})["class_counts"])
    content = {
        "data": options.name,
        "commit": current_commit(),
        "versions": current_versions(),
        "samples": len(np.load(data)["labels"]),
        "config": {"epochs": features().epochs, "batch_size": run.header["config"]["batch_size"]},
        "class_names": (run.data or {})["class_names"],
        "class_counts": class_counts,
        "rows": rows,
    }
    write_json(options.json, content)
    print(f"written: {options.json}, {len(json.loads(options.json.read_text())['rows'])} rows")


if __name__ == "__main__":
    main()
