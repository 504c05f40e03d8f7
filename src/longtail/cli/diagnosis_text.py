"""A diagnosis as text on the terminal."""

from rich.table import Table

from longtail.cli.console import plain_console
from longtail.repair import Diagnosis
from longtail.repair.metrics import ExpectedCost
from longtail.reports.formatting import percent
from longtail.reports.outcomes import outcome_rows


def print_diagnosis(found: Diagnosis) -> None:
    """Print the table of candidates, the lowest recalls, the calibration error and the verdict."""
    console = plain_console()

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    costs = found.metric == ExpectedCost.name
    unit = "metric in hundredths of the costs' unit, recalls in %" if costs else "scores in %"
    groups = ", ".join(f"{name} {number}" for name, number in found.groups.items())
    level = 100 * float(found.fix.evidence["interval_level"])
    say(
        f"{found.samples:,} samples; classes: {groups}; metric: {found.metric}; {unit}, on data that no fit has seen; "
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
    say(found.summary)


def _calibration(found: Diagnosis) -> str:
    error = found.calibration
    top, by_class = (" → ".join(map(percent, pair)) for pair in (error.top_label, error.class_wise))
    pooled = f" ({error.pooled_classes} rare classes pooled)" if error.pooled_classes else ""
    known = f"calibration error under the class prior of the metric: top label {top}, by class {by_class}{pooled}"
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
