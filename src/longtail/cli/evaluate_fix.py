"""`longtail evaluate FILE --fix fix.json`."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longtail.cli.console import PlainConsole, say
from longtail.cli.fitted_table import fitted
from longtail.cli.passes import Passes
from longtail.plain_json import to_json
from longtail.repair import Fix, FixEvaluation, Predictions, read_predictions
from longtail.repair.evaluation import evaluate_predictions
from longtail.repair.metrics import ExpectedCost
from longtail.reports.formatting import NONE, percent, points
from longtail.reports.outcomes import Column


def evaluate_with_fix(source: tuple[str, ...], fix_file: Path, reading: Mapping[str, Any], *, as_json: bool) -> None:
    """Evaluate a fix on predictions and print the results.

    Args:
        source: files of predictions, or a run folder.
        fix_file: path of the fix.
        reading: options of `read_predictions`; the default kind is what the fix takes, the default part is "test".
        as_json: print JSON instead of a table.
    """
    fix = Fix.load(fix_file)
    found = _read(source, fix_file, {"kind": fix.takes, "part": "test", "class_names": fix.class_names, **reading})
    with Passes() as passes:
        evaluation = evaluate_predictions(fix, found, progress=passes)
    for note in found.notes:
        say(f"note: {note}", error=True)
    if as_json:
        say(to_json(dataclasses.asdict(evaluation), indent=1))
    else:
        print_evaluation(evaluation)


def _read(source: tuple[str, ...], fix_file: Path, options: Mapping[str, Any]) -> Predictions:
    try:
        return read_predictions(source, **options)
    except ValueError as error:  # the class names are those of the fix, not of an option
        if "--class-names" not in str(error):
            raise
        own = re.sub(r" \([^()]*--class-names[^()]*\)", f", which are those of {fix_file}", str(error))
        raise ValueError(own.replace("--class-names", f"The classes of {fix_file}")) from None


def print_evaluation(found: FixEvaluation) -> None:
    """Print warnings, the table of scores and the verdict."""
    for warning in found.warnings:
        say(f"warning: {warning}")
    costs = "; the metric is multiplied by 100" if found.metric == ExpectedCost.name else ""
    say(f"{found.samples:,} samples; metric: {found.metric}; in %{costs}")
    console = PlainConsole()
    console.print(fitted(_columns(found), console.width)[0])
    say(found.summary)


def _columns(found: FixEvaluation) -> list[Column]:
    low, high = found.interval
    before, after = found.before, found.after
    rows = [
        (*_row(found.metric, before.score, after.score), f"{100 * low:+.1f} to {100 * high:+.1f}"),
        (*_row("accuracy on these samples", before.accuracy, after.accuracy), ""),
    ]
    for name, number in found.groups.items():
        label = f"recall, {name}" if number == 1 else f"recall, {name} ({number} classes)"
        rows.append((*_row(label, before.groups[name], after.groups[name]), ""))
    rows.append((*_row("calibration error, top label", *found.calibration_top_label), ""))
    rows.append((*_row("calibration error, by class", *found.calibration_by_class), ""))
    headings = ("", "before", "after", "change", f"{100 * found.level:g} % interval")
    return [Column(*column) for column in zip(headings, zip(*rows, strict=True), (0, 0, 0, 1, 2), strict=True)]


def _row(name: str, before: float | None, after: float | None) -> tuple[str, str, str, str]:
    change = NONE if before is None or after is None else points(after - before)
    return name, percent(before), percent(after), change
