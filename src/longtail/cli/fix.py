"""`longtail fix PREDICTIONS`."""

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
    prior: Annotated[str, tyro.conf.arg(metavar="uniform|train|FILE")] = "uniform",
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
        prior: For the goals accuracy and cost, how often classes will come: all alike, as the training counts, or a
            file of one number a line.
        cost: For the goal cost, a file of numbers with blanks or commas between them: a row for each class, a column
            for what it is taken for.
        out: The file to write; it must not exist.
        page: The HTML page to write; it must not exist. By default it stands beside --out.
        folds: Parts of the data, at least 3; each is judged by fits on the others.
        seed: Of folds and bootstrap.
    """
    page = page or out.with_suffix(".html")
    for option, path in (("--out", out), ("--page", page)):
        if path.exists():
            raise FileExistsError(f"{option} must not exist yet. Got {path}.")
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"{option} must lie in a folder that exists. Got {path}.")
    if out.absolute() == page.absolute():
        raise ValueError(f"--page must be another file than --out. Got {page} for both.")
    loaded = load_predictions(predictions, labels=labels, kind=kind, part=part)
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
    _print(diagnosis)
    if predictions.is_dir() and part == "test":
        print("judged by the test set, which is none any more for this model")
    print(f"fix: {diagnosis.fix.save(out)}")
    _write_page(diagnosis, predictions, page)


def _write_page(found: Diagnosis, predictions: Path, page: Path) -> None:
    try:
        from longtail.reports import fix_page
    except ModuleNotFoundError as error:
        print(f"no page: {error}")
        return
    print(f"page: {fix_page(found, predictions.name).save(page)}")


def _prior(text: str, loaded: Predictions) -> str | np.ndarray:
    if text == "uniform":
        return text
    if text == "train":
        if loaded.class_counts is None:
            raise ValueError("--prior train needs class_counts in the predictions. There are none.")
        counts = np.asarray(loaded.class_counts, dtype=np.float64)
        return np.asarray(counts / counts.sum())
    return _numbers("--prior, where neither uniform nor train,", Path(text)).ravel()


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
    say(f"{found.samples:,} samples; classes: {groups}; goal: {found.goal}; {unit}, on data that no fit has seen")
    console.print(_table(found))
    for outcome in found.outcomes:
        if outcome.failure:
            say(f"{outcome.name}: {outcome.failure}")
    worst = "; ".join(
        f"{name} {percent(recall)} % of {samples}, predicted {times} times"
        for name, recall, samples, times in found.worst
    )
    say(f"lowest recall: {worst}")
    calibration = found.calibration
    top, by_class = (" → ".join(map(percent, pair)) for pair in (calibration.top_label, calibration.class_wise))
    say(
        f"calibration error of the top label: {top} with temperature {found.fix.temperature:.2f}; class by class "
        f"{by_class} ({calibration.pooled_classes} rare classes pooled)"
    )
    say(found.words)


def _table(found: Diagnosis) -> Table:
    headings, rows = outcome_rows(found)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in headings:
        table.add_column(name, justify="left" if name == "" else "right", no_wrap=name != "")
    for row in rows:
        table.add_row(*row)
    return table
