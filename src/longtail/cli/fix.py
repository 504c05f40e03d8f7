"""`longtail fix PREDICTIONS`."""

import contextlib
import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.output_file import check_new
from longtail.cli.reading_options import Kind, ReadingOptions

if TYPE_CHECKING:
    from longtail.cli.fix_output import FixOutput
    from longtail.repair import Diagnosis

MetricName = Literal["balanced-accuracy", "accuracy", "macro-f1", "worst-tenth", "cost"]


def fix(
    predictions: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PREDICTIONS")],
    *,
    reading: Annotated[ReadingOptions, tyro.conf.arg(name="")],
    kind: Kind = "logits",
    part: str = "validation",
    class_names: Annotated[str | None, tyro.conf.arg(metavar="A,B,C|FILE")] = None,
    metric: MetricName = "balanced-accuracy",
    prior: Annotated[str, tyro.conf.arg(metavar="uniform|train|here|FILE")] = "uniform",
    cost: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    max_accuracy_loss: Annotated[float | None, tyro.conf.arg(metavar="POINTS")] = None,
    max_class_loss: Annotated[float | None, tyro.conf.arg(metavar="POINTS")] = None,
    out: Path = Path("fix.json"),
    report: str | None = None,
    force: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    quiet: bool = False,
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
) -> None:
    """Find out whether re-balancing improves a trained model, and write the fix to a small file.

    It needs saved predictions on labelled data that the model was not trained on. All scores are cross-fitted: no
    score is computed on samples that its fit has seen. Under torchrun, each process reads its share of the files.

    Args:
        predictions: Tables (csv, tsv, jsonl, parquet; also compressed) with one column of labels and one column of
            scores per class; npz or pt files with logits (or probabilities) and target; npy files of scores (with
            --labels); patterns of files; - for a table on standard input; or a run folder.
        reading: How predictions are read.
        kind: Whether the scores are logits or probabilities; it is never guessed.
        part: For a run folder, the set to use.
        class_names: Class names in the wanted order: a,b,c, or a file with one name per line.
        metric: The metric to optimise.
        prior: For the metrics accuracy and cost, the class prior: uniform, as in training (train; needs --counts), as
            in these predictions (here), or a file as for --counts.
        cost: For the metric cost, the cost of predicting one class (column) for another (row): a CSV with class names
            in the first row and the first column, or JSON {true class: {predicted class: cost}}; numbers without names
            are taken in the order of the classes.
        max_accuracy_loss: The accuracy on these samples may fall by at most so many percentage points, such as 2.
        max_class_loss: The recall of any class may fall by at most so many percentage points; that of a class with few
            samples is smoothed.
        out: File to write; it must not exist.
        report: HTML report to write, which must not exist, or none; by default next to --out.
        force: Replace a file and a report that exist.
        as_json: Print all results as JSON on standard output, and nothing else.
        quiet: Print only the verdict and the paths of the files.
        folds: Number of folds, at least 3.
        repeats: How often the cross-fitting is repeated with other folds; by default 10 times, and less often for more
            than 400,000 scores.
        seed: Seed of the folds.
    """
    from longtail.cli.fix_output import FixOutput
    from longtail.cli.passes import Passes
    from longtail.cli.shared_work import shared_work
    from longtail.repair import read_predictions
    from longtail.repair.choice import Limits
    from longtail.repair.diagnose_predictions import diagnose_predictions

    if not predictions:
        raise ValueError(
            "PREDICTIONS must be a file, a pattern of files, a run folder, or - for standard input. Got none."
        )
    Limits(max_accuracy_loss, max_class_loss)  # refused before anything is read
    with shared_work() as processes:
        output = None
        if processes.rank == 0:
            _check_new(
                out, path := _report_path(report, out), force, _inputs(predictions, reading, class_names, prior, cost)
            )
            output = FixOutput(out, path, as_json, quiet)
        given = reading.given()
        loaded = read_predictions(
            predictions, kind=kind, part=part, class_names=class_names, processes=processes, **given
        )
        with contextlib.nullcontext() if quiet or output is None else Passes() as passes:
            diagnosis = diagnose_predictions(
                loaded,
                metric=metric,
                prior=prior,
                cost=cost,
                max_accuracy_loss=max_accuracy_loss,
                max_class_loss=max_class_loss,
                folds=folds,
                repeats=repeats,
                seed=seed,
                progress=passes,
            )
        if output is not None:
            _write(output, diagnosis, predictions, part)


def _write(output: "FixOutput", diagnosis: "Diagnosis", predictions: tuple[str, ...], part: str) -> None:
    for note in diagnosis.fix.evidence["notes"]:
        say(f"note: {note}", error=True)
    warnings = list(diagnosis.warnings)
    if Path(predictions[0]).is_dir() and part == "test":
        warnings.append("fitted and evaluated on the test set; it is no longer held out")
    output.write(diagnosis, _source(predictions), warnings)


def _check_new(out: Path, report: Path | None, force: bool, inputs: Sequence[Path]) -> None:
    check_new("--out", out, force=force, inputs=inputs)
    if report is not None:
        check_new("--report", report, force=force, inputs=inputs)


def _inputs(predictions: Sequence[str], reading: ReadingOptions, *others: str | Path | None) -> list[Path]:
    """The files and run folders that are read; others that are names of classes or priors are no files."""
    named = [path for name in predictions for path in glob.glob(name, recursive=True) or [name]]  # noqa: PTH207, as they are read
    return [Path(path) for path in (*named, reading.labels, reading.counts, *others) if path is not None]


def _report_path(report: str | None, out: Path) -> Path | None:
    """The path of the HTML report, or `None` for no report."""
    if report == "none":
        return None
    path = out.with_suffix(".html") if report is None else Path(report)
    if path.resolve() == out.resolve():
        raise ValueError(f"--report must differ from --out. Got {path} for both.")
    return path


def _source(predictions: tuple[str, ...]) -> str:
    name = Path(predictions[0]).name
    return name if len(predictions) == 1 else f"{name} and {len(predictions) - 1} more"
