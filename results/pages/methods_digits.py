"""Every method on digits, and the same comparison on a second processor."""

import json
import statistics
from itertools import combinations
from pathlib import Path
from typing import Any

from pages.comparison import Comparison, Row, by_method
from pages.environment import environment_of, processor_of
from pages.formatting import decimal, in_percent, table
from pages.names import name_of


class TwoProcessors:
    """The raw predictions of methods that were run with the same seeds on both."""

    def __init__(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        self.processors = [processor_of(content["versions"]) for content in (first, second)]
        self.comparisons = [Comparison(content) for content in (first, second)]
        scores = [by_method(content, lambda result: result["test"]["raw"]["top1"]) for content in (first, second)]
        self.methods = [name for name in scores[0] if scores[0][name].keys() == scores[1].get(name, {}).keys()]
        self.changes = {
            name: [in_percent(scores[1][name][seed] - share) for seed, share in scores[0][name].items()]
            for name in self.methods
        }

    def mean_changes(self) -> dict[str, float]:
        return {name: statistics.mean(changes) for name, changes in self.changes.items()}

    @property
    def largest_change(self) -> float:
        return max(map(abs, self.mean_changes().values()))

    @property
    def typical_change(self) -> float:
        """Root mean square over the methods."""
        return statistics.mean(change**2 for change in self.mean_changes().values()) ** 0.5

    @property
    def largest_single_change(self) -> float:
        return max(abs(change) for changes in self.changes.values() for change in changes)

    @property
    def typical_single_change(self) -> float:
        """Root mean square over methods and seeds."""
        return statistics.mean(change**2 for changes in self.changes.values() for change in changes) ** 0.5

    @property
    def typical_deviation(self) -> float:
        """Standard deviation over seeds, the median of the methods."""
        first = self.comparisons[0]
        return statistics.median(first.score(name).deviation or 0.0 for name in self.methods)

    @property
    def within_a_deviation(self) -> int:
        """Number of methods whose mean changes by less than that."""
        return sum(abs(change) < self.typical_deviation for change in self.mean_changes().values())

    @property
    def pairs(self) -> int:
        return len(self.methods) * (len(self.methods) - 1) // 2

    @property
    def swapped(self) -> int:
        """Pairs of methods whose order is another on the second processor."""
        first, second = ([comparison.mean(name) for name in self.methods] for comparison in self.comparisons)
        return sum((a - b) * (c - d) < 0 for (a, c), (b, d) in combinations(zip(first, second, strict=True), 2))

    def best(self) -> list[str]:
        """On each processor, the name of the best of these methods."""
        return [name_of(next(m for m in comparison.ranked() if m in self.methods)) for comparison in self.comparisons]

    def table(self) -> str:
        rows = []
        for name in self.methods:
            first, second = (comparison.score(name) for comparison in self.comparisons)
            single = max(map(abs, self.changes[name]))
            rows.append((name, first, second, decimal(second.mean - first.mean), decimal(single)))
        return table(("method", *self.processors, "difference", "largest of one seed"), rows, left=1)


def best_row(comparison: Comparison) -> Row:
    return max(comparison.rows, key=lambda row: row.scores["all"].mean)


def followers(comparison: Comparison, number: int = 4) -> list[str]:
    """The methods behind the best one, each with its mean. Of methods with the same scores the first one is listed."""
    distinct: list[str] = []
    for name in comparison.ranked():
        if not any(comparison.equal(name, other) for other in distinct):
            distinct.append(name)
    return [f"{name_of(name)} ({decimal(comparison.mean(name))})" for name in distinct[1 : number + 1]]


def largest_gains(comparison: Comparison, number: int = 3) -> list[str]:
    """Methods that gain most from inductive re-balancing, in points."""
    ranked = sorted(comparison.methods, key=lambda name: -comparison.gain(name, "inductive"))
    return [f"{name_of(name)} {decimal(comparison.gain(name, 'inductive'))}" for name in ranked[:number]]


def median_gain(comparison: Comparison, predictions: str) -> float:
    return statistics.median(comparison.gain(name, predictions) for name in comparison.methods)


def values(results: Path) -> dict[str, Any]:
    content = json.loads((results / "methods-digits.json").read_text())
    other = json.loads((results / "methods-digits-avx2.json").read_text())
    comparison = Comparison(content)
    return {
        "c": comparison,
        "counts": comparison.class_counts,
        "environment": environment_of(comparison.versions),
        "best_row": best_row(comparison),
        "other_best_row": best_row(Comparison(other)),
        "followers": followers(comparison),
        "largest_gains": largest_gains(comparison),
        "median_gain": median_gain(comparison, "inductive"),
        "median_transductive": median_gain(comparison, "transductive"),
        "name_of": name_of,
        "both": TwoProcessors(content, other),
    }
