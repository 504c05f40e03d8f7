"""Results as tables on the terminal."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from longtail.auto.served_scores import WITH_FIX, served_scores
from longtail.cli.console import PlainConsole
from longtail.cli.run_name import data_name
from longtail.metrics.groups import GroupBounds
from longtail.reports.formatting import columns_of, percent
from longtail.reports.trained_with import trained_with
from longtail.runs import RunFolder
from longtail.training import TrainingConfig, stored_config
from longtail.training.evaluation import FIT_SETS

NOTE = "transductive: fitted on the unlabelled test set as a whole, taken to be balanced; not for single samples"


def print_result(folder: RunFolder) -> None:
    """The result of a complete run and where its files are."""
    result = folder.result or {}
    print_rows(folder, {**result["test"], **served_scores(folder)})
    console = PlainConsole()
    if "validation" in result:
        console.print(f"validation, balanced accuracy: {percent(result['validation']['balanced_accuracy'])}")
    evaluated = sum("test_top1" in line for line in folder.metrics)
    for name, best in result["best_on_test"].items() if evaluated > 1 else ():
        what = "re-balanced transductively" if "transductive" in name else "raw"
        console.print(
            f"best of {evaluated} evaluated epochs, chosen on the test set, {what}: {100 * best['top1']:.1f} "
            f"in epoch {best['epoch']}",
            soft_wrap=True,
        )
    for note in result["notes"]:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"run: {folder.path}", soft_wrap=True)


def print_rows(
    folder: RunFolder, scores: Mapping[str, Mapping[str, float | None]], measured: str = "test accuracy"
) -> None:
    """One row a treatment, in percent."""
    console = PlainConsole()
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("predictions", no_wrap=True)
    columns = columns_of(scores.values())
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for treatment, values in scores.items():
        table.add_row(treatment, *(percent(values[name]) for name in columns.values()))
    console.print(
        f"{Path(folder.path).resolve().name}: {_described(folder)}{measured} in %"
        f"{', all: mean of the recalls of all classes' if 'accuracy' in columns else ''}",
        soft_wrap=True,
    )
    console.print(table)
    many, few = GroupBounds.of(folder.header["config"])
    console.print(f"many: more than {many} training samples, few: fewer than {few}", soft_wrap=True)
    fit_on = (folder.result or {}).get("fit_on")
    if fit_on in FIT_SETS and any(treatment.startswith("inductive") for treatment in scores):
        console.print(
            f"inductive: re-balanced by a fit on {FIT_SETS[fit_on]}, unless another set is named", soft_wrap=True
        )
    if WITH_FIX in scores:
        console.print(f"{WITH_FIX}: as longtail predict decides", soft_wrap=True)
    if any("transductive" in treatment for treatment in scores):
        console.print(NOTE, soft_wrap=True)


def _described(folder: RunFolder) -> str:
    """Data, loss and seed of a training run; nothing for a run of another kind."""
    try:
        config = stored_config(folder)
    except ValueError:
        return ""
    trained, name = trained_with(folder.header["config"]), data_name(config)
    if "first_stage" in (folder.result or {}):
        first = (folder.result or {})["first_stage"]["config"]
        trained = f"{folder.header['config']['second_stage']} after {trained_with(first)}"
        name = _name_by_the_first_stage(config, first.get("stage", config.stage))
    last = f"epoch {config.epochs} (the last), " if config.epochs else ""
    return f"{name}, {trained}, seed {config.seed}, {last}"


def _name_by_the_first_stage(config: TrainingConfig, stage: str) -> str:
    """The recipe of the first stage of a second one, which has none itself; unknown if that is a second stage too."""
    if config.dataset == "own" and stage == config.stage:
        return "own data"
    return data_name(dataclasses.replace(config, stage=stage))
