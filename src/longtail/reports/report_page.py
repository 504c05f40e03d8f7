"""The HTML report of one run or several: scores, figures, confusions with their images, settings."""

import itertools
import os
from collections.abc import Sequence

import numpy as np

from longtail.analysis import worst_confusions
from longtail.data.check import Progress
from longtail.reports.formatting import columns_of, percent
from longtail.reports.page import Gallery, Page, Table
from longtail.reports.run_figures import figures_of
from longtail.reports.run_view import RunView, run_views
from longtail.runs import RunFolder

WORST, EXAMPLES = 8, 5
SHOWN = (
    "second_stage",
    "loss",
    "loss_arguments",
    "epochs",
    "batch_size",
    "learning_rate",
    "sampler",
    "mixing",
    "contrastive",
    "sam_radius",
    "augmentations",
    "seed",
)


def run_page(
    runs: Sequence[str | os.PathLike[str]],
    data: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Page:
    """The HTML report of one run or several.

    Args:
        runs: run folders, complete or not, on the same training samples.
        data: the folder of their data set, for similarities of features and for images; digits need none.
        progress: called with the name of a long step and the completed share of it.

    Raises:
        FileNotFoundError, ValueError: a folder that is no run, a damaged one, runs that do not fit together.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> run = run_experiment(digits_lt(epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> run_page([run.path]).title
        'gala on digits, imbalance 50'
    """
    shown = run_views([RunFolder.open(run) for run in runs], data, progress)
    complete = [run for run in shown if run.complete]
    return Page(
        title=_title(shown),
        lead=[_lead(run) for run in shown],
        tables=[_scores(complete)] if complete else [],
        figures=figures_of(shown),
        galleries=[gallery for run in complete if (gallery := _confused(run)) is not None],
        facts=_facts(shown),
    )


def _title(runs: Sequence[RunView]) -> str:
    config = runs[0].config
    imbalance = config.get("imbalance")
    tail = "" if imbalance is None else f", imbalance {imbalance:g}"
    return f"{', '.join(run.name for run in runs)} on {runs[0].data_name}{tail}"


def _lead(run: RunView) -> str:
    if not run.complete:
        return f"{run.name} is still in progress: {run.progress}."
    test = run.result["test"]
    raw, fitted = test["raw"], test.get("inductive")
    groups = ", ".join(f"{name} {percent(raw[name])} %" for name in run.groups)
    rebalanced = ""
    if fitted is not None:
        change = ", ".join(f"{name} {percent(fitted[name])} %" for name in run.groups)
        rebalanced = (
            f" Re-balanced, fitted on {run.result['fit_on']}: {percent(fitted['balanced_accuracy'])} % ({change})."
        )
    return f"{run.name}: mean recall of all classes {percent(raw['balanced_accuracy'])} % ({groups}).{rebalanced}"


def _scores(runs: Sequence[RunView]) -> Table:
    columns = columns_of(scores for run in runs for scores in run.result["test"].values())
    rows = [
        [run.name, treatment, *(percent(scores.get(key)) for key in columns.values())]
        for run in runs
        for treatment, scores in run.result["test"].items()
    ]
    return Table("Scores on the test set after the last epoch, in %", ["run", "predictions", *columns], rows)


def _confused(run: RunView) -> Gallery | None:
    """The worst confusions, with images where there are any."""
    predicted, target = run.test
    worst = worst_confusions(target, predicted, WORST)
    if not run.has_images or not worst:
        return None
    chosen = [confusion.samples[:EXAMPLES] for confusion in worst]
    images = run.test_images(np.concatenate(chosen))
    if images is None:
        return None
    rest, names = iter(images), run.class_names
    rows = [
        (
            f"class {names[confusion.true]} predicted as {names[confusion.predicted]}: {confusion.number} of its test "
            f"images, {percent(confusion.share)} %",
            list(itertools.islice(rest, len(samples))),
        )
        for confusion, samples in zip(worst, chosen, strict=True)
    ]
    return Gallery(f"Most frequent confusions of {run.name}", rows)


def _facts(runs: Sequence[RunView]) -> dict[str, str]:
    facts = {}
    for run in runs:
        config, versions = run.config, run.folder.header["versions"]
        settings = ", ".join(
            f"{name} {_as_text(config[name])}" for name in SHOWN if config.get(name) not in (None, [], ())
        )
        facts[run.name] = f"{settings}; {', '.join(f'{name} {value}' for name, value in versions.items())}"
        if run.complete:
            minutes, parameters = run.result.get("training_minutes"), run.result.get("parameters", 0)
            facts[f"{run.name}, cost"] = f"{parameters:,} parameters, {minutes} minutes of training"
        notes = run.result.get("notes") if run.complete else None
        if notes:
            facts[f"{run.name}, notes"] = "; ".join(notes)
    if not any(run.complete for run in runs):
        return facts
    transductive = any(name.startswith("transductive") for run in runs if run.complete for name in run.result["test"])
    facts["transductive"] = (
        "rows marked so were fitted on the unlabelled test set as a whole; nothing else was"
        if transductive
        else "nothing was fitted on the test set"
    )
    facts["epoch"] = "the last one; nothing was selected on the test set"
    return facts


def _as_text(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
