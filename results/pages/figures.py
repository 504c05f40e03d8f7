"""The numbers behind the figures of the GALA paper, from our runs."""

import json
from pathlib import Path
from typing import Any

from pages.environment import BEFORE, environments_of
from pages.formatting import decimal, table
from pages.run_rows import read_runs, rows_of

HEADINGS = {
    "length": "classifier weight norm, many ÷ few (1a)",
    "ratio_few": "negative ÷ positive gradient, few (1b)",
    "ratio_first": "negative ÷ positive gradient, few, first epoch",
    "ratio_many": "negative ÷ positive gradient, many",
    "from_many": "share of the negative gradient on few that comes from samples of many (1c)",
    "similarity_train": "cosine similarity of few, training images (1d)",
    "similarity_test": "cosine similarity of few, test images (1d)",
    "predicted_few": "predictions of few ÷ their true number (2)",
    "recall_few": "recall of few",
    "recall_all": "balanced accuracy",
}
FOLDERS = {"cifar100-lt-60-epochs": "CIFAR100-LT, 60 epochs", "digits": "digits"}


def numbers_table(numbers: dict[str, dict[str, Any]]) -> str:
    rows = [(title, *(decimal(run[key], 2) for run in numbers.values())) for key, title in HEADINGS.items()]
    return table(("", *numbers), rows, left=1)


def pictures(results: Path) -> list[str]:
    """Every figure, as Markdown."""
    lines = []
    for folder, title in FOLDERS.items():
        for path in sorted((results / "figures" / folder).glob("*.svg")):
            what = path.stem.replace("-", " ")
            lines.append(f"![{title}: {what}]({path.relative_to(results).as_posix()})")
    return lines


def share_of_many(results: Path) -> float:
    """Of the training images of CIFAR100-LT at imbalance 100."""
    rows = rows_of(read_runs(results / "runs", "cifar100"))
    whole = [row for row in rows if row.config["imbalance"] == 100 and row.complete and not row.holds_out]
    counts = whole[0].results[0]["class_counts"]
    return sum(count for count in counts if count > 100) / sum(counts)


def values(results: Path) -> dict[str, Any]:
    by_folder = {
        folder: {run["run"]: run for run in json.loads((results / "figures" / folder / "numbers.json").read_text())}
        for folder in FOLDERS
    }
    cifar, digits = by_folder["cifar100-lt-60-epochs"], by_folder["digits"]
    lengths = [run["length"] for numbers in by_folder.values() for run in numbers.values()]
    return {
        "cifar": cifar,
        "environments": environments_of([run for numbers in by_folder.values() for run in numbers.values()], BEFORE),
        "digits": digits,
        "cifar_table": numbers_table(cifar),
        "digits_table": numbers_table(digits),
        "pictures": pictures(results),
        "share_of_many": share_of_many(results),
        "lengths": lengths,
        "eql_is_ce": {**digits["ce"], "run": ""} == {**digits["eql"], "run": ""},
    }
