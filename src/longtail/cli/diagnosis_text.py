"""A diagnosis as text on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from longtail.cli.console import PlainConsole, say
from longtail.cli.fitted_table import fitted
from longtail.repair import Diagnosis
from longtail.repair.findings import Calibration
from longtail.reports.formatting import percent
from longtail.reports.next_steps import next_steps
from longtail.reports.outcomes import Column, candidate_columns, class_columns, shows_classes, unit_of_scores


def print_diagnosis(found: Diagnosis, warnings: Sequence[str]) -> None:
    """Print the tables, the calibration errors, warnings and the verdict."""
    level = 100 * float(found.fix.evidence["interval_level"])
    say(f"{found.samples:,} samples; {_classes(found)}; metric: {found.metric}")
    unit = unit_of_scores(found)
    say(f"\nscores of each candidate, {unit}, cross-fitted{_repeated(found)}; intervals of {level:.2f} %")
    _print_table(candidate_columns(found))
    for outcome in found.outcomes:
        if outcome.failure:
            say(f"{outcome.name}: {outcome.failure}")
    if shows_classes(found):
        say("\nrecall of each class in %")
        _print_table(class_columns(found))
    else:
        worst = ", ".join(
            f"{name} ({percent(recall)} % of {samples:,}, predicted {times:,} times)"
            for name, recall, samples, times in found.worst
        )
        say(f"\nlowest recall of the model as it is: {worst}")
    say(f"\n{_calibration(found)}\n")
    for warning in warnings:
        say(f"warning: {warning}")
    say(found.summary)


def _repeated(found: Diagnosis) -> str:
    repeats = int(found.fix.evidence["repeats"])
    return f" {repeats} times" if repeats > 1 else ""


def print_next_steps(found: Diagnosis, file: Path) -> None:
    """Print the next steps."""
    say("\nWhat to do next")
    for sentence, code in next_steps(found, file):
        say(sentence)
        for line in code.splitlines():
            say(f"    {line}")


def _classes(found: Diagnosis) -> str:
    number = len(found.fix.class_names)
    if shows_classes(found):
        return f"{number} classes"
    return f"{number:,} classes ({', '.join(f'{name} {size}' for name, size in found.groups.items())})"


def _calibration(found: Diagnosis) -> str:
    error = found.calibration
    top, by_class = (" → ".join(map(percent, pair)) for pair in (error.top_label, error.class_wise))
    loss = " → ".join(f"{value:.3f}" for value in error.log_loss)
    pooled = f" ({error.pooled_classes} rare classes pooled)" if error.pooled_classes else ""
    known = (
        "cross-fitted probabilities under the class prior of the metric, as they are → with a temperature: log loss "
        f"{loss}; calibration error of the top label {top}, by class {by_class}{pooled}"
    )
    if error.helps:
        return f"{known}. The temperature is {found.fix.temperature:.2f}"
    return f"{known}. The temperature is not used: {_why_not_used(error)}"


def _why_not_used(error: Calibration) -> str:
    if error.at_limit:
        return "no temperature fits these samples best"
    if not error.log_loss_falls:
        return "the log loss does not fall by more than its uncertainty"
    return "the calibration error of the top label rises by more than its uncertainty"


def _print_table(columns: Sequence[Column]) -> None:
    console = PlainConsole()
    table, left_out = fitted(columns, console.width)
    console.print(table)
    if left_out:
        say(f"(on a wider terminal also: {', '.join(left_out)})")
