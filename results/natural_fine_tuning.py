"""Fine-tuning on the two natural long tails of `natural_tails.py`, on the same splits.

    python results/natural_fine_tuning.py fish --data DIR --weights FILE --work DIR --json results/fish-fine-tuning.json
    python results/natural_fine_tuning.py plankton ... [--splits 10] [--jobs 3] [--workers 3] [--commit SHA]
    python results/write_pages.py fish plankton

DIR and FILE are those of `natural_tails.py`. All layers of EfficientNet-Lite0 are trained (recipe `finetune`, 10
epochs, 128 pixels), once for each loss on each split, with the split's number as its seed. Finished runs are kept in
the working folder, so that the same command resumes; the JSON file is written again after each run. A GPU is used if
there is one.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from json_file import write_json
from longtail.auto import train_and_fix
from longtail.recipes import finetune
from longtail.runs import RunFolder, current_versions
from longtail.whole_file import write_whole
from natural_tails import DATA, MODEL, SIZE, TEST, VALIDATION, Trial, rows_of

LOSSES = ("ce", "balanced-softmax", "gala")  # logit adjustment at τ = 1 is Balanced Softmax
EPOCHS = 10


def images(name: str, folder: Path, work: Path) -> tuple[Path, dict[str, str]]:
    """The data, as `longtail train` takes them, and the settings that belong to them."""
    if name == "fish":
        return folder / "images", {"groups": str(folder / "groups.csv")}
    path = work / "images.npz"
    if not path.exists():
        with np.load(folder / "ndsb48.npz") as arrays, write_whole(path) as file:
            np.savez(file, images=arrays["x"], labels=arrays["y"])
    return path, {}


def trained(options: argparse.Namespace, loss: str, split: int) -> RunFolder:
    """The run of one loss on one split, from the working folder if it is finished."""
    data, more = images(options.name, options.data, options.work)
    config = finetune(
        loss=loss,
        seed=split,
        subset_seed=split,
        validation=VALIDATION,
        test_share=TEST,
        model=MODEL,
        weights=str(options.weights),
        size=SIZE,
        epochs=options.epochs,
        evaluate_every=0,
        workers=options.workers,
        threads=1,
        **more,
    )
    return train_and_fix(config, data=data, out=options.work / "runs" / f"split{split}-{loss}", resume=True)


def finished(options: argparse.Namespace, loss: str, split: int) -> dict[str, Any]:
    """The scores of a run, with its class counts and configuration."""
    run = trained(options, loss, split)
    (row,) = (row for row in rows_of(run, Trial(loss), split) if not row["arguments"])
    config = run.header["config"]
    shown = ("epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "augment", "size", "precision")
    return {"row": row, "counts": (run.result or {})["class_counts"], "config": {key: config[key] for key in shown}}


def write(options: argparse.Namespace, done: list[dict[str, Any]]) -> None:
    """Write the JSON file, with the finished runs in the order of splits and losses."""
    done = sorted(done, key=lambda one: (one["row"]["split"], LOSSES.index(one["row"]["method"])))
    content = {
        "data": options.name,
        "commit": options.commit,
        "versions": current_versions(),
        "config": done[0]["config"],
        "class_counts": [one["counts"] for one in done if one["row"]["method"] == LOSSES[0]],
        "rows": [one["row"] for one in done],
    }
    write_json(options.json, content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=DATA)
    for path in ("--data", "--weights", "--work", "--json"):
        parser.add_argument(path, type=Path, required=True)
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--workers", type=int, help="processes that decode, for each run")
    parser.add_argument("--commit", help="of this code; by default that of git")
    options = parser.parse_args()
    head = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    options.commit = options.commit or subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    options.work.mkdir(parents=True, exist_ok=True)
    images(options.name, options.data, options.work)
    done: list[dict[str, Any]] = []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(finished, options, loss, split) for split in range(options.splits) for loss in LOSSES]
        for future in as_completed(waiting):
            done.append(future.result())
            row = done[-1]["row"]
            score = f"balanced accuracy {row['raw']['balanced_accuracy']:.3f}"
            print(f"split {row['split']}, {row['method']}: {score}", file=sys.stderr, flush=True)
            write(options, done)


if __name__ == "__main__":
    main()
