"""`longtail fix PREDICTIONS`."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from rich.table import Table

from longtail.cli.console import plain_console
from longtail.cli.passes import Passes
from longtail.repair import Diagnosis, diagnose
from longtail.repair.goals import ExpectedCost
from longtail.repair.predictions import Predictions, load_predictions
from longtail.reports.cells import percent
from longtail.reports.outcomes import outcome_rows

Kind = Literal["logits", "probabilities"]
GoalName = Literal["balanced-accuracy", "accuracy", "macro-f1", "worst-tenth", "cost"]


def fix(
    predictions: tyro.conf.Positional[Path],
    *,
    labels: Path | None = None,
    kind: Kind = "logits",
    part: str = "validation",
    goal: GoalName = "balanced-accuracy",
    prior: Annotated[str, tyro.conf.arg(metavar="uniform|train|here|FILE")] = "uniform",
    counts: Path | None = None,
    cost: Path | None = None,
    out: Path = Path("fix.json"),
    page: Path | None = None,
    folds: int = 5,
    seed: int = 0,
) -> None:
    """Find out whether re-balancing helps a trained model, and write a small file to serve if it does.

    All that is needed are saved predictions on labelled data that the model was not trained on. Every score shown is of
    data that the fit has not seen.

    Args:
        predictions: An npz or pt file with logits (or probabilities) and target, a csv or parquet file with a column
            label and one a class, an npy file of scores (with --labels), or a run folder.
        labels: An npy file of labels, for scores in an npy file.
        kind: What the scores are; it is not guessed.
        part: Of a run folder, the set to judge by.
        goal: What the model is to be good at.
        prior: For the goals accuracy and cost, how often classes will come: all alike, as in training (needs counts),
            as in these predictions, or a file of one number a line, in the order of the classes.
        counts: A file of training samples, one number a line, in the order of the classes, where the predictions do not
            hold them.
        cost: For the goal cost, a file of numbers with blanks or commas between them: a row for each class, a column
            for what it is taken for, both in the order of the classes (of a table that of its columns).
        out: The file to write; it must not exist.
        page: The HTML page to write; it must not exist. By default it stands beside --out.
        folds: Parts of the data, at least 3; each is judged by fits on the others.
        seed: Of folds and bootstrap.
    """
    _check_new("--out", out)
    page = page or out.with_suffix(".html")
    _check_new("--page", page)
    if out.resolve() == page.resolve():
        raise ValueError(f"--page must be another file than --out. Got {page} for both.")
    loaded = load_predictions(predictions, labels=labels, kind=kind, part=part)
    if counts is not None:
        loaded = dataclasses.replace(loaded, class_counts=_numbers("--counts", counts).ravel())
    with Passes() as passes:
        diagnosis = diagnose(
            loaded.logits,
            loaded.target,
            goal=goal,
            prior=_prior(prior, loaded),
            cost=None if cost is None else _numbers("--cost", cost),
            class_counts=loaded.class_counts,
            class_names=loaded.class_names,
            groups=loaded.groups,
            sample_weight=loaded.sample_weight,
            folds=folds,
            seed=seed,
            watch=passes,
        )
    fix_of_kind = dataclasses.replace(diagnosis.fix, takes=loaded.kind, floor=loaded.floor)
    diagnosis = dataclasses.replace(diagnosis, fix=fix_of_kind)
    _print(diagnosis)
    if predictions.is_dir() and part == "test":
        print("judged by the test set, which is none any more for this model")
    written = _write_page(diagnosis, predictions, page)
    try:
        print(f"fix: {diagnosis.fix.save(out)}")
    except BaseException:
        if written:
            page.unlink(missing_ok=True)
        raise


def _check_new(option: str, path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{option} must not exist yet. Got {path}.")
    if not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise FileNotFoundError(f"{option} must lie in a folder that exists and can be written to. Got {path}.")


def _write_page(found: Diagnosis, predictions: Path, page: Path) -> bool:
    try:
        from longtail.reports import fix_page
    except ModuleNotFoundError as error:
        print(f"no page: {error}")
        return False
    print(f"page: {fix_page(found, predictions.name).save(page)}")
    return True


def _prior(text: str, loaded: Predictions) -> str | np.ndarray:
    if text == "uniform":
        return text
    if text == "here":
        here = np.bincount(loaded.target, minlength=loaded.logits.shape[1])
        return np.asarray(here / here.sum())
    if text == "train":
        if loaded.class_counts is None:
            raise ValueError("--prior train needs class_counts in the predictions, or --counts. There are none.")
        counts = np.asarray(loaded.class_counts, dtype=np.float64)
        return np.asarray(counts / counts.sum())
    return _numbers("--prior, where not uniform, train or here,", Path(text)).ravel()


def _numbers(option: str, path: Path) -> np.ndarray:
    try:
        return np.loadtxt(path.read_text().replace(",", " ").splitlines(), ndmin=2)
    except (OSError, ValueError) as error:
        raise ValueError(f"{option} must be a file of numbers. Got {path}: {error}") from None


def _print(found: Diagnosis) -> None:
    console = plain_console()

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    costs = found.goal == ExpectedCost.name
    unit = "goal in hundredths of the costs' unit, recalls in %" if costs else "scores in %"
    groups = ", ".join(f"{name} {number}" for name, number in found.groups.items())
    level = 100 * float(found.fix.evidence["interval_level"])
    say(
        f"{found.samples:,} samples; classes: {groups}; goal: {found.goal}; {unit}, on data that no fit has seen; "
        f"intervals of {level:.2f} %"
    )
    console.print(_table(found))
    for outcome in found.outcomes:
        if outcome.failure:
            say(f"{outcome.name}: {outcome.failure}")
    worst = "; ".join(
        f"{name} {percent(recall)} % of {samples}, predicted {times} times"
        for name, recall, samples, times in found.worst
    )
    say(f"lowest recall: {worst}")
    say(_calibration(found))
    say(found.words)


def _calibration(found: Diagnosis) -> str:
    error = found.calibration
    top, by_class = (" → ".join(map(percent, pair)) for pair in (error.top_label, error.class_wise))
    pooled = f" ({error.pooled_classes} rare classes pooled)" if error.pooled_classes else ""
    known = (
        f"calibration error where classes come as the goal takes them to: top label {top}, by class {by_class}{pooled}"
    )
    if error.helps:
        return f"{known}, with temperature {found.fix.temperature:.2f}"
    return f"{known}; it would not get better, so probabilities keep their temperature"


def _table(found: Diagnosis) -> Table:
    headings, rows = outcome_rows(found)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in headings:
        table.add_column(name, justify="left" if name == "" else "right", min_width=24 if name == "" else None)
    for row in rows:
        table.add_row(
            *(cell.replace(" to ", "\u00a0to\u00a0") if "to" in cell and cell[0] in "+-" else cell for cell in row)
        )
    return table
