"""`longtail fix PREDICTIONS`."""

import contextlib
import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.fix_output import FixOutput
from longtail.cli.passes import Passes
from longtail.repair import read_predictions
from longtail.repair.diagnose_predictions import diagnose_predictions

Kind = Literal["logits", "probabilities"]
MetricName = Literal["balanced-accuracy", "accuracy", "macro-f1", "worst-tenth", "cost"]


def fix(
    predictions: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PREDICTIONS")],
    *,
    labels: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    kind: Kind = "logits",
    part: str = "validation",
    class_names: Annotated[str | None, tyro.conf.arg(metavar="A,B,C|FILE")] = None,
    classes: Annotated[str | None, tyro.conf.arg(metavar="PATTERN")] = None,
    ignore: Annotated[str, tyro.conf.arg(metavar="A,B,C")] = "",
    label: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    weight: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    group: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    id: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    metric: MetricName = "balanced-accuracy",
    prior: Annotated[str, tyro.conf.arg(metavar="uniform|train|here|FILE")] = "uniform",
    counts: Annotated[Path | None, tyro.conf.arg(metavar="FILE|DATA")] = None,
    cost: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    out: Path = Path("fix.json"),
    report: str | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    quiet: bool = False,
    folds: int = 5,
    seed: int = 0,
) -> None:
    """Find out whether re-balancing helps a trained model, and write a small file to serve if it does.

    All that is needed are saved predictions on labelled data that the model was not trained on. Every score shown is of
    data that the fit has not seen.

    Args:
        predictions: Tables (csv, tsv, jsonl, parquet; gz too) with a column of labels and one of scores a class; npz or
            pt files with logits (or probabilities) and target; npy files of scores (with --labels); patterns of files;
            - for a table on standard input; or a run folder.
        labels: File of the labels, where the predictions hold none: npy, one label a line, JSON, or a table.
        kind: What the scores are; it is not guessed.
        part: Of a run folder, the set to judge by.
        class_names: The names of the classes in the order that is wanted: a,b,c, or a file with a name a line.
        classes: The columns of the classes as a pattern with one *, which stands for the name: 'prob_*'.
        ignore: Columns to leave out, with commas between them; patterns are allowed.
        label: The column of the labels.
        weight: The column of the sample weights.
        group: The column of the groups.
        id: The column of identifiers, which is left out.
        metric: The metric to optimise.
        prior: For the metrics accuracy and cost, how often classes will come: all alike, as in training (needs counts),
            as in these predictions, or a file as for --counts.
        counts: Training samples of each class, by name: JSON, or a CSV of two columns (name, count); numbers alone are
            taken in the order of the classes. Or the training data themselves: a folder of class folders, a table.
        cost: For the metric cost, what it costs to take a class (row) for another (column): a CSV with the names in the
            first row and the first column, or nested JSON; numbers alone are taken in the order of the classes.
        out: The file to write; it must not exist.
        report: The HTML report to write, which must not exist, or "none". By default it stands beside --out.
        as_json: Print the whole finding as JSON on standard output, and nothing else there.
        quiet: Print the verdict and the paths of the files alone.
        folds: Parts of the data, at least 3; each is judged by fits on the others.
        seed: Of folds and bootstrap.
    """
    if not predictions:
        raise ValueError("PREDICTIONS must name a file, a pattern of files or a run folder; - is standard input.")
    _check_new("--out", out)
    output = FixOutput(out, _report_path(report, out), as_json, quiet)
    loaded = read_predictions(
        predictions,
        labels=labels,
        kind=kind,
        part=part,
        class_names=class_names,
        classes=classes,
        ignore=ignore,
        label=label,
        weight=weight,
        group=group,
        id=id,
        counts=counts,
    )
    with contextlib.nullcontext() if quiet else Passes() as passes:
        diagnosis = diagnose_predictions(
            loaded, metric=metric, prior=prior, cost=cost, folds=folds, seed=seed, progress=passes
        )
    for note in diagnosis.fix.evidence["notes"]:
        say(f"note: {note}", error=True)
    warnings = list(diagnosis.warnings)
    if Path(predictions[0]).is_dir() and part == "test":
        warnings.append("fitted and evaluated on the test set; it is no longer held out")
    output.write(diagnosis, _source(predictions), warnings)


def _report_path(report: str | None, out: Path) -> Path | None:
    """Where the report goes; `None` for no report."""
    if report == "none":
        return None
    path = out.with_suffix(".html") if report is None else Path(report)
    _check_new("--report", path)
    if path.resolve() == out.resolve():
        raise ValueError(f"--report must be another file than --out. Got {path} for both.")
    return path


def _check_new(option: str, path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{option} must not exist yet. Got {path}.")
    if not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise FileNotFoundError(f"{option} must lie in a folder that exists and can be written to. Got {path}.")


def _source(predictions: tuple[str, ...]) -> str:
    name = Path(predictions[0]).name
    return name if len(predictions) == 1 else f"{name} and {len(predictions) - 1} more"
