"""Results as tables on the terminal."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from longtail.runs import RunFolder

COLUMNS = {"all": "top1", "many": "many", "medium": "medium", "few": "few"}
NOTE = "transductive: fitted on the unlabelled test set as a whole, taken to be balanced; not for single images"


def print_result(folder: RunFolder) -> None:
    """The result of a complete run and where its files are."""
    result = folder.result or {}
    print_rows(folder, result["test"])
    console = _console()
    for name, best in result["best_on_test"].items():
        what = "re-balanced transductively" if "transductive" in name else "raw"
        console.print(
            f"best epoch chosen on the test set, {what}: {100 * best['top1']:.1f} in epoch {best['epoch']}",
            soft_wrap=True,
        )
    for note in result["notes"]:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"run: {folder.path}", soft_wrap=True)


def print_rows(folder: RunFolder, scores: Mapping[str, Mapping[str, float | None]]) -> None:
    """One row a treatment, in percent."""
    console = _console()
    config = folder.header["config"]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("predictions", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for treatment, values in scores.items():
        table.add_row(treatment, *(_percent(values[name]) for name in COLUMNS.values()))
    console.print(
        f"{Path(folder.path).name}: {config['dataset']}-lt, imbalance {config['imbalance']:g}, {config['loss']}, "
        f"seed {config['seed']}, epoch {config['epochs']} (the last), test accuracy in %",
        soft_wrap=True,
    )
    console.print(table)
    if any("transductive" in treatment for treatment in scores):
        console.print(NOTE, soft_wrap=True)


def _console() -> Console:
    return Console(highlight=False)


def _percent(value: float | None) -> str:
    return "none" if value is None or value != value else f"{100 * value:.1f}"
