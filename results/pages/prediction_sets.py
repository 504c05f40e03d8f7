"""Prediction sets on plankton: their coverage at one miscoverage, and at equal set size."""

import json
import statistics
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pages.environment import environment_of
from pages.formatting import decimal, percent, spread, table
from pages.natural_tails import verdict, wins

SHARES = ("coverage", "macro_coverage", "many", "medium", "few", "mostly_missed")
HEADINGS = ("marginal coverage", "macro-coverage", "many", "medium", "few", "mostly missed")
RULES = {
    ("raw", "softmax"): "softmax",
    ("raw", "prevalence-adjusted"): "prevalence-adjusted",
    ("fixed", "softmax"): "softmax after `longtail fix`",
}
SOFTMAX, PREVALENCE, FIXED = RULES
RUNS = {
    ("run ce", "prevalence-adjusted"): "cross-entropy",
    ("run balanced-softmax", "prevalence-adjusted"): "Balanced Softmax",
    ("run gala", "prevalence-adjusted"): "GALA",
}
"""The sets of `longtail predict RUN --sets` by the loss of the run."""
COMPARED = ("macro_coverage", "many", "medium", "few")
OF_SIZE = {"coverage": "marginal coverage", "macro_coverage": "macro-coverage", "few": "few"}
SIZES = (2, 3, 5, 10)
"""Mean set sizes at which scores are compared."""
MISCOVERAGE = 0.1
Rule = tuple[str, str]
Row = dict[str, Any]


class Sets:
    """The rows of all splits."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.splits = sorted({row["split"] for row in rows})
        of_first = [row for row in rows if row["split"] == self.splits[0]]
        self.thresholds = dict.fromkeys(row["thresholds"] for row in of_first if row["miscoverage"] == MISCOVERAGE)

    def of(self, rule: Rule, thresholds: str | float = "marginal", miscoverage: float = MISCOVERAGE) -> list[Row]:
        """One row of each split."""
        asked = (*rule, thresholds, miscoverage)
        found = [r for r in self.rows if (r["predictions"], r["score"], r["thresholds"], r["miscoverage"]) == asked]
        return sorted(found, key=lambda row: row["split"])

    def mean(self, rule: Rule, column: str, thresholds: str | float = "marginal") -> float:
        return statistics.mean(row[column] for row in self.of(rule, thresholds))

    def at_size(self, rule: Rule, split: int, size: float, column: str) -> float | None:
        """A score of marginal thresholds at a mean size, on the line between two miscoverages; None beyond them."""
        own = [r for r in self.rows if (r["predictions"], r["score"], r["thresholds"]) == (*rule, "marginal")]
        curve = sorted((row["mean_size"], row[column]) for row in own if row["split"] == split)
        for (low, before), (high, after) in pairwise(curve):
            if low <= size <= high:
                return before + (after - before) * (size - low) / (high - low)
        return None

    def curve(self, rule: Rule, size: float, column: str = "macro_coverage") -> list[float | None]:
        """The same for each split."""
        return [self.at_size(rule, split, size, column) for split in self.splits]

    def difference(self, size: float, column: str, first: Rule, second: Rule) -> list[float]:
        """The first less the second at a mean size, split by split."""
        both = zip(self.curve(first, size, column), self.curve(second, size, column), strict=True)
        return [a - b for a, b in both if a is not None and b is not None]

    def beside_prevalence(self, rule: Rule, thresholds: str | float, column: str) -> list[float]:
        """A score less that of the prevalence-adjusted score with one threshold, at the same size of sets."""
        found = []
        for row in self.of(rule, thresholds):
            other = self.at_size(PREVALENCE, row["split"], row["mean_size"], column)
            if other is not None:
                found.append(row[column] - other)
        return found

    def between(self) -> list[float]:
        """The τ that are neither marginal nor class-wise."""
        return [tau for tau in self.thresholds if not isinstance(tau, str)]


def sizes_of(rows: Sequence[Row]) -> str:
    """Mean ± standard deviation of mean sizes."""
    sizes = [row["mean_size"] for row in rows]
    return f"{decimal(statistics.mean(sizes))} ± {decimal(statistics.stdev(sizes))}"


def name_of(thresholds: str | float) -> str:
    return thresholds if isinstance(thresholds, str) else f"interpolated, τ {thresholds:g}"


def main_table(sets: Sets) -> str:
    rows = []
    for rule, name in RULES.items():
        for thresholds in sets.thresholds:
            own = sets.of(rule, thresholds)
            cells = [spread([row[column] for row in own]) for column in SHARES]
            rows.append((name, name_of(thresholds), sizes_of(own), *cells))
    return table(("score", "thresholds", "mean size", *HEADINGS), rows, left=2)


def run_table(sets: Sets) -> str:
    rows = []
    for rule, name in RUNS.items():
        own = sets.of(rule)
        rows.append((name, sizes_of(own), *(spread([row[column] for row in own]) for column in SHARES)))
    return table(("loss of the run", "mean size", *HEADINGS), rows, left=1)


def between_table(sets: Sets) -> str:
    """Interpolated thresholds, less one threshold for the prevalence-adjusted score, at equal size."""
    rows = []
    for rule, name in RULES.items():
        for tau in sets.between():
            pairs = [sets.beside_prevalence(rule, tau, column) for column in COMPARED]
            rows.append((name, name_of(tau), *(f"{spread(pair)} ({wins(pair)})" for pair in pairs)))
    return table(("score", "thresholds", "macro-coverage", "many", "medium", "few"), rows, left=2)


def size_table(sets: Sets) -> str:
    rows = []
    for size in SIZES:
        for column, heading in OF_SIZE.items():
            cells = [spread(sets.curve(rule, size, column)) for rule in RULES]
            pairs = [sets.difference(size, column, PREVALENCE, rival) for rival in (SOFTMAX, FIXED)]
            shown = [f"{spread(pair)} ({wins(pair)})" for pair in pairs]
            rows.append((size, heading, *cells, *shown))
    columns = ("mean size", "of", *RULES.values(), "adjusted − softmax", "adjusted − after fix")
    return table(columns, rows, left=0)


def verdicts(sets: Sets, rival: Rule, column: str) -> dict[str, list[int]]:
    """The sizes at which the prevalence-adjusted score is higher, lower, or not distinguishable."""
    found: dict[str, list[int]] = {}
    for size in SIZES:
        found.setdefault(verdict(sets.difference(size, column, PREVALENCE, rival)), []).append(size)
    return found


def summary(sets: Sets, classes: int, size: int = 5) -> str:
    """The summary of these results, also in docs/prediction-sets.md."""
    softmax, adjusted = (percent(sets.mean(rule, "few")) for rule in (SOFTMAX, PREVALENCE))
    sizes = [decimal(sets.mean(rule, "mean_size")) for rule in (PREVALENCE, SOFTMAX)]
    points = decimal(-100 * statistics.mean(sets.difference(size, "coverage", PREVALENCE, SOFTMAX)))
    equal = {rule: percent(statistics.mean(known(sets.curve(rule, size, "few")))) for rule in RULES}
    return (
        f"On {classes} classes of plankton at a target coverage of 90 %, classes with fewer than 20 training images "
        f"have a mean coverage of {adjusted} % with the prevalence-adjusted score and {softmax} % with softmax; the "
        f"mean set sizes are {sizes[0]} and {sizes[1]} classes. At an equal mean size of {size} classes, their mean "
        f"coverage is {equal[PREVALENCE]} and {equal[SOFTMAX]} %, and {equal[FIXED]} % with softmax after `longtail "
        f"fix`; marginal coverage is then {points} points lower with the prevalence-adjusted score than with softmax."
    )


def holds(rows: Sequence[Row]) -> bool:
    """Whether the mean marginal coverage is within one point of the target."""
    return abs(statistics.mean(row["coverage"] for row in rows) - (1 - MISCOVERAGE)) < 0.01


def known(scores: Sequence[float | None]) -> list[float]:
    return [score for score in scores if score is not None]


def values(results: Path) -> dict[str, Any]:
    content = json.loads((results / "prediction-sets.json").read_text())
    sets = Sets(content["rows"])
    few = [sum(count < 20 for count in counts) for counts in content["class_counts"]]
    return {
        "sets": sets,
        "miscoverage": MISCOVERAGE,
        "commit": content["commit"][:7],
        "environment": environment_of(content["versions"]),
        "classes": len(content["class_counts"][0]),
        "few": (min(few), max(few)),
        "samples": content["samples"][0],
        "coverages": {name: [row["coverage"] for row in sets.of(rule)] for rule, name in RULES.items()},
        "of_runs": run_table(sets),
        "runs_hold": all(holds(sets.of(rule)) for rule in RUNS),
        "in_every_set": [row["in_every_set"] for row in sets.of(PREVALENCE, "classwise")],
        "best_between": max(
            statistics.mean(sets.beside_prevalence(rule, tau, "macro_coverage"))
            for rule in RULES
            for tau in sets.between()
        ),
        "moved": {
            column: statistics.mean(sets.beside_prevalence(PREVALENCE, sets.between()[0], column))
            for column in ("many", "few")
        },
        "summary": summary(sets, len(content["class_counts"][0])),
        "main": main_table(sets),
        "between": between_table(sets),
        "at_size": size_table(sets),
        "over_softmax": verdicts(sets, SOFTMAX, "macro_coverage"),
        "over_fix": verdicts(sets, FIXED, "macro_coverage"),
    }
