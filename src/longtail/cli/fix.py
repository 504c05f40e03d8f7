"""`longtail fix PREDICTIONS`."""

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from longtail.cli.fix_output import FixOutput
from longtail.cli.passes import Passes
from longtail.repair import diagnose
from longtail.repair.predictions import Predictions, load_predictions

Kind = Literal["logits", "probabilities"]
MetricName = Literal["balanced-accuracy", "accuracy", "macro-f1", "worst-tenth", "cost"]


def fix(
    predictions: tyro.conf.Positional[Path],
    *,
    labels: Path | None = None,
    kind: Kind = "logits",
    part: str = "validation",
    metric: MetricName = "balanced-accuracy",
    prior: Annotated[str, tyro.conf.arg(metavar="uniform|train|here|FILE")] = "uniform",
    counts: Path | None = None,
    cost: Path | None = None,
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
        predictions: An npz or pt file with logits (or probabilities) and target, a csv or parquet file with a column
            label and one a class, an npy file of scores (with --labels), or a run folder.
        labels: An npy file of labels, for scores in an npy file.
        kind: What the scores are; it is not guessed.
        part: Of a run folder, the set to judge by.
        metric: The metric to optimise.
        prior: For the metrics accuracy and cost, how often classes will come: all alike, as in training (needs counts),
            as in these predictions, or a file of one number a line, in the order of the classes.
        counts: A file of training samples, one number a line, in the order of the classes, where the predictions do not
            hold them.
        cost: For the metric cost, a file of numbers with blanks or commas between them: a row for each class, a column
            for what it is taken for, both in the order of the classes (of a table that of its columns).
        out: The file to write; it must not exist.
        report: The HTML report to write, which must not exist, or "none". By default it stands beside --out.
        as_json: Print the whole finding as JSON on standard output, and nothing else there.
        quiet: Print the verdict and the paths of the files alone.
        folds: Parts of the data, at least 3; each is judged by fits on the others.
        seed: Of folds and bootstrap.
    """
    _check_new("--out", out)
    output = FixOutput(out, _report_path(report, out), as_json, quiet)
    loaded = load_predictions(predictions, labels=labels, kind=kind, part=part)
    if counts is not None:
        loaded = dataclasses.replace(loaded, class_counts=_numbers("--counts", counts).ravel())
    with contextlib.nullcontext() if quiet else Passes() as passes:
        diagnosis = diagnose(
            loaded.logits,
            loaded.target,
            metric=metric,
            prior=_prior(prior, loaded),
            cost=None if cost is None else _numbers("--cost", cost),
            class_counts=loaded.class_counts,
            class_names=loaded.class_names,
            groups=loaded.groups,
            sample_weight=loaded.sample_weight,
            folds=folds,
            seed=seed,
            progress=passes,
        )
    fix_of_kind = dataclasses.replace(diagnosis.fix, takes=loaded.kind, floor=loaded.floor)
    diagnosis = dataclasses.replace(diagnosis, fix=fix_of_kind)
    warnings = list(diagnosis.warnings)
    if predictions.is_dir() and part == "test":
        warnings.append("fitted and evaluated on the test set; it is no longer held out")
    output.write(diagnosis, predictions.name, warnings)


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
