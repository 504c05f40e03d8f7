"""The table of a comparison: a row for each method and treatment, mean ± standard deviation over the seeds."""

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from longtail.runs import RunFolder

SCORES = {"all": "top1", "many": "many", "medium": "medium", "few": "few"}
COLUMNS = ("method", "settings", "predictions", "seeds", *SCORES, "parameters", "minutes")
TREATMENTS = ("raw", "inductive", "transductive")
LEFT = ("method", "settings", "predictions", "seeds")


@dataclass(frozen=True)
class ComparisonTable:
    """Rows of text in the columns of `COLUMNS`, and a note for what went wrong.

    Example:
        >>> table = ComparisonTable((("ce", "", "raw", "0", "38.0", "65.0", "37.0", "8.0", "470,004", "40"),), ())
        >>> print(table.markdown().splitlines()[2])
        | ce |  | raw | 0 | 38.0 | 65.0 | 37.0 | 8.0 | 470,004 | 40 |
    """

    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def markdown(self) -> str:
        """A table of Markdown, the notes below it."""
        rule = "|" + "".join("---|" if column in LEFT else "---:|" for column in COLUMNS)
        lines = [_joined(COLUMNS), rule, *map(_joined, self.rows)]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])

    def csv(self) -> str:
        """Comma-separated values with a header; percentages as they are shown."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self.rows)
        return text.getvalue().rstrip("\n")

    def latex(self) -> str:
        """A tabular with rules of booktabs."""
        align = "".join("l" if column in LEFT else "r" for column in COLUMNS)
        body = [" & ".join(map(_escaped, row)) + r" \\" for row in self.rows]
        head = " & ".join(COLUMNS) + r" \\"
        notes = [f"% {note}" for note in self.notes]
        lines = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", *notes])

    def text(self) -> str:
        """Columns padded with blanks."""
        widths = [max(map(len, column)) for column in zip(COLUMNS, *self.rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if column in LEFT else cell.rjust(width)
                for cell, width, column in zip(row, widths, COLUMNS, strict=True)
            ).rstrip()
            for row in (COLUMNS, *self.rows)
        ]
        return "\n".join([*lines, *self.notes])


def comparison_table(groups: dict[str, Sequence[RunFolder]], failures: dict[str, Sequence[str]]) -> ComparisonTable:
    """Put complete runs into a table.

    Args:
        groups: for each method its complete runs, which differ in the seed.
        failures: for each method why runs of it have no result; a method may be in both.
    """
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for method in dict.fromkeys([*groups, *failures]):
        folders = groups.get(method, ())
        if folders:
            rows += [_row(method, treatment, folders) for treatment in TREATMENTS]
        for failure in failures.get(method, ()):
            rows.append((method, "", "failed", "", *[""] * (len(COLUMNS) - 4)))
            notes.append(f"{method}: {failure}")
    if rows:
        notes.append("transductive: fitted on the unlabelled test set as a whole, taken to be balanced")
        notes.append("test accuracy in %, last epoch, mean ± standard deviation over the seeds; minutes of steps alone")
    return ComparisonTable(tuple(rows), tuple(notes))


def _row(method: str, treatment: str, folders: Sequence[RunFolder]) -> tuple[str, ...]:
    results: list[dict[str, Any]] = [folder.result or {} for folder in folders]
    scores = [result["test"].get(treatment, {}) for result in results]
    config = folders[0].header["config"]
    settings = [*config["loss_arguments"]]
    settings += [
        f"{name}={config[name]}" for name in ("sampler", "reweight_from") if config.get(name) not in (0, "shuffle")
    ]
    minutes = statistics.mean(result["training_minutes"] for result in results)
    return (
        method,
        " ".join(settings),
        treatment,
        " ".join(str(folder.header["seed"]) for folder in folders),
        *(_spread([score.get(name) for score in scores]) for name in SCORES.values()),
        f"{results[0]['parameters']:,}",
        f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}",
    )


def _spread(values: list[float | None]) -> str:
    known = [100 * value for value in values if value is not None]
    if len(known) < len(values):
        return "none"
    return f"{statistics.mean(known):.1f}" + (f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else "")


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(cell: str) -> str:
    for sign in "_%&#$":
        cell = cell.replace(sign, f"\\{sign}")
    return cell.replace("±", r"$\pm$")
