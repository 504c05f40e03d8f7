"""Scores of methods on a natural long tail over ten splits, and their balanced accuracy at equal accuracy."""

import json
import statistics
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pages.environment import environment_of
from pages.formatting import decimal, spread, table
from pages.names import name_of

COLUMNS = ("accuracy", "balanced_accuracy", "below_100", "many", "medium", "few")
HEADINGS = ("accuracy", "balanced accuracy", "below 100 images", "many", "medium", "few")
CE, GALA, LA, POST_HOC = "ce", "gala", "logit-adjustment", "post-hoc logit adjustment"
CURVES = {LA: "logit adjustment in training", POST_HOC: "logit adjustment after training", GALA: "GALA"}
PRICES = (0.01, 0.02, 0.03, 0.05)
"""Accuracy given up against cross-entropy."""
KEPT = "the model as it is"
Point = tuple[float, float]


class Tail:
    """The rows of one data set, each with a method, its arguments, a split, and scores raw and fixed."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.rows: list[dict[str, Any]] = content["rows"]
        self.versions: dict[str, str] = content["versions"]
        self.class_counts: list[list[int]] = content["class_counts"]
        self.splits = sorted({row["split"] for row in self.rows})

    def of(self, method: str, arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The rows of a method, one for each split, in the order of splits."""
        found = [r for r in self.rows if r["method"] == method and r["arguments"] == list(arguments)]
        return sorted(found, key=lambda row: row["split"])

    def methods(self) -> list[str]:
        """The methods that ran with their papers' settings, by falling balanced accuracy."""
        found = dict.fromkeys(row["method"] for row in self.rows if not row["arguments"])
        return sorted(found, key=lambda method: -self.mean(method))

    def scores(self, method: str, column: str = "balanced_accuracy", treatment: str = "raw") -> list[float]:
        return [row[treatment][column] for row in self.of(method) if treatment in row]

    def mean(self, method: str, column: str = "balanced_accuracy", treatment: str = "raw") -> float:
        return statistics.mean(self.scores(method, column, treatment))

    def fixes_used(self, method: str) -> int:
        """Number of splits in which `longtail fix` found offsets to use."""
        return sum(row["fix"] != KEPT for row in self.of(method))

    def slopes(self) -> list[float]:
        """Slopes of log θ over log n for GALA with its paper's settings, one for each split."""
        return [row["theta_slope"] for row in self.of(GALA)]

    def curve(self, method: str, split: int) -> list[Point]:
        """(accuracy, balanced accuracy) from strength 0, which is cross-entropy, to the largest."""
        rows = [r for r in self.rows if r["method"] == method and r["split"] == split and r["arguments"]]
        rows.sort(key=lambda row: strength_of(row["arguments"]))
        start = next(row for row in self.of(CE) if row["split"] == split)
        return [(row["raw"]["accuracy"], row["raw"]["balanced_accuracy"]) for row in [start, *rows]]

    def strengths(self, method: str) -> list[float]:
        return sorted({strength_of(r["arguments"]) for r in self.rows if r["method"] == method and r["arguments"]})

    def at_price(self, method: str, price: float) -> list[float]:
        """For each split, the best balanced accuracy where accuracy is at most `price` below cross-entropy's."""
        return [best_at(self.curve(method, split), self.accuracy(split) - price) for split in self.splits]

    def accuracy(self, split: int) -> float:
        """The accuracy of cross-entropy on a split."""
        return float(next(row for row in self.of(CE) if row["split"] == split)["raw"]["accuracy"])

    def difference(self, first: str, second: str, price: float) -> list[float]:
        pairs = zip(self.at_price(first, price), self.at_price(second, price), strict=True)
        return [one - other for one, other in pairs]

    def table(self) -> str:
        """Methods with their papers' settings, raw and fixed."""
        rows = []
        for method in self.methods():
            for treatment in ("raw", "fixed"):
                if self.scores(method, treatment=treatment):
                    cells = (spread(self.scores(method, column, treatment)) for column in COLUMNS)
                    rows.append((name_of(method), treatment, *cells))
        return table(("method", "predictions", *HEADINGS), rows, left=2)

    def front_table(self, rows: Sequence[tuple[str, str, tuple[str, ...]]]) -> str:
        """The table of the README; `rows` has label, method and arguments of each row."""
        shown = []
        for label, method, arguments in rows:
            own = self.of(method, arguments)
            shown.append((label, *(spread([row["raw"][column] for row in own]) for column in COLUMNS)))
        return table(("method", *HEADINGS), shown, left=1)

    def curve_table(self) -> str:
        """Scores at each strength of each curve."""
        rows = []
        for method, name in CURVES.items():
            for strength in self.strengths(method):
                own = [r for r in self.rows if r["method"] == method and strength_is(r, strength)]
                cells = (spread([r["raw"][column] for r in own]) for column in COLUMNS[:3])
                rows.append((name, f"{strength:g}", *cells))
        return table(("method", "strength", *HEADINGS[:3]), rows, left=2)

    def price_table(self) -> str:
        """Balanced accuracy at equal accuracy, and GALA's less each rival's, paired by split."""
        rows = []
        for price in PRICES:
            cells = [spread(self.at_price(method, price)) for method in CURVES]
            pairs = [self.difference(GALA, rival, price) for rival in (LA, POST_HOC)]
            rows.append((f"{100 * price:g}", *cells, *(f"{spread(pair)} ({wins(pair)})" for pair in pairs)))
        columns = ("accuracy given up", *CURVES.values(), "GALA − in training", "GALA − after training")
        return table(columns, rows, left=0)


class FineTuned:
    """The rows of fine-tuning, in the order in which they were made."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.rows: list[dict[str, Any]] = content["rows"]
        self.config: dict[str, Any] = content["config"]
        self.environment = environment_of(content["versions"])
        self.splits = sorted({row["split"] for row in self.rows})

    def mean(self, method: str, column: str) -> float:
        """The mean raw score of a method."""
        return statistics.mean(row["raw"][column] for row in self.rows if row["method"] == method)

    def table(self, frozen: Tail) -> str:
        """Scores raw and fixed, and those of classifiers on frozen features of the same splits."""
        rows = []
        for method in dict.fromkeys(row["method"] for row in self.rows):
            tuned = [row for row in self.rows if row["method"] == method]
            features = [row for row in frozen.of(method) if row["split"] in self.splits]
            for trained, treatment, own in (
                ("all layers", "raw", tuned),
                ("all layers", "fixed", tuned),
                ("classifier", "raw", features),
            ):
                cells = (spread([row[treatment][column] for row in own]) for column in COLUMNS)
                rows.append((name_of(method), trained, treatment, *cells))
        return table(("method", "trained", "predictions", *HEADINGS), rows, left=3)


def strength_of(arguments: Sequence[str]) -> float:
    return float(arguments[0].partition("=")[2])


def strength_is(row: dict[str, Any], strength: float) -> bool:
    return bool(row["arguments"]) and strength_of(row["arguments"]) == strength


def best_at(curve: Iterable[Point], accuracy: float) -> float:
    """The largest balanced accuracy at an accuracy of at least `accuracy`, on the lines between the points of a curve.

    A point between two models is reached by choosing one of them at random for each sample.
    """
    points = list(curve)
    reached = [balanced for own, balanced in points if own >= accuracy]
    for (a, b), (c, d) in pairwise(points):
        if min(a, c) < accuracy <= max(a, c):
            reached.append(b + (accuracy - a) / (c - a) * (d - b))
    return max(reached)


def wins(differences: Sequence[float]) -> str:
    return f"{sum(difference > 0 for difference in differences)} of {len(differences)}"


def verdict(differences: Sequence[float]) -> str:
    """Whether the mean differs from 0 by two standard errors of the paired differences."""
    mean = statistics.mean(differences)
    error = statistics.stdev(differences) / len(differences) ** 0.5
    if abs(mean) < 2 * error:
        return "not distinguishable from"
    return "higher than" if mean > 0 else "lower than"


def compared(tail: Tail, rival: str) -> list[tuple[str, list[str]]]:
    """The verdicts on GALA against a rival, each with the prices, in points, at which it holds."""
    found: dict[str, list[str]] = {}
    for price in PRICES:
        found.setdefault(verdict(tail.difference(GALA, rival, price)), []).append(f"{100 * price:g}")
    return list(found.items())


def values_of(results: Path, name: str) -> dict[str, Any]:
    content = json.loads((results / f"{name}.json").read_text())
    tail = Tail(content)
    tuned = results / f"{name}-fine-tuning.json"
    return {
        "fine_tuned": FineTuned(json.loads(tuned.read_text())) if tuned.exists() else None,
        "name": name,
        "tail": tail,
        "samples": content["samples"],
        "config": content["config"],
        "classes": len(content["class_names"]),
        "counts": tail.class_counts[0],
        "environment": environment_of(tail.versions),
        "slopes": [decimal(slope, 2) for slope in tail.slopes()],
        "slope": decimal(statistics.mean(tail.slopes()), 2),
        "comparisons": [
            (CURVES[rival], found, prices) for rival in (LA, POST_HOC) for found, prices in compared(tail, rival)
        ],
        "name_of": name_of,
    }
