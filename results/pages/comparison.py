"""A comparison of methods: the rows of its table, from collected runs."""

import math
import statistics
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pages.configs import current
from pages.formatting import decimal, in_percent, table

PREDICTIONS = ("raw", "inductive", "transductive")
SCORES = {"all": "balanced_accuracy", "many": "many", "medium": "medium", "few": "few", "accuracy": "top1"}


class Score(NamedTuple):
    """Mean and standard deviation over seeds, in %."""

    mean: float
    deviation: float | None

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "none"
        return decimal(self.mean) + ("" if self.deviation is None else f" ± {decimal(self.deviation)}")


class Row(NamedTuple):
    """One method under one treatment of its predictions."""

    method: str
    settings: str
    predictions: str
    seeds: tuple[int, ...]
    scores: dict[str, Score]
    parameters: int
    minutes: float


class Comparison:
    """All rows, and one of them by its names."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.versions: dict[str, str | None] = content["versions"]
        self.class_counts: list[int] = content["class_counts"]
        self.config: dict[str, Any] = current(content["config"])
        self.rows = list(collected_rows(content))

    def __contains__(self, method: str) -> bool:
        return any(row.method == method for row in self.rows)

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(row.method for row in self.rows))

    @property
    def seeds(self) -> int:
        return max(len(row.seeds) for row in self.rows)

    def row(self, method: str, predictions: str = "raw") -> Row:
        return next(row for row in self.rows if (row.method, row.predictions) == (method, predictions))

    def score(self, method: str, predictions: str = "raw", group: str = "all") -> Score:
        return self.row(method, predictions).scores[group]

    def mean(self, method: str, predictions: str = "raw", group: str = "all") -> float:
        return self.score(method, predictions, group).mean

    def gain(self, method: str, predictions: str, group: str = "all") -> float:
        """Points that re-balancing adds to the mean of the raw predictions."""
        return self.mean(method, predictions, group) - self.mean(method, "raw", group)

    def ranked(self, predictions: str = "raw", group: str = "all") -> list[str]:
        """Methods, the highest mean first."""
        rows = [row for row in self.rows if row.predictions == predictions]
        return [row.method for row in sorted(rows, key=lambda row: -row.scores[group].mean)]

    def equal(self, first: str, second: str) -> bool:
        """Whether two methods have the same scores under every treatment."""
        ours, theirs = ([row.scores for row in self.rows if row.method == name] for name in (first, second))
        return ours == theirs

    def table(self) -> str:
        groups = self.rows[0].scores
        columns = ("method", "settings", "predictions", "seeds", *groups, "parameters", "minutes")
        rows = [
            (
                row.method,
                row.settings,
                row.predictions,
                " ".join(map(str, row.seeds)),
                *row.scores.values(),
                f"{row.parameters:,}",
                minutes_text(row.minutes),
            )
            for row in self.rows
        ]
        return table(columns, rows, left=4)


def collected_rows(content: dict[str, Any]) -> Iterable[Row]:
    """From `collect_runs.py`."""
    runs = content["runs"]
    groups = groups_of(run["result"]["test"]["raw"] for run in runs)
    for method in dict.fromkeys(run["method"] for run in runs):
        same = sorted((run for run in runs if run["method"] == method), key=lambda run: run["seed"])
        results = [run["result"] for run in same]
        for predictions in PREDICTIONS:
            if predictions not in results[0]["test"]:
                continue
            tests = [result["test"][predictions] for result in results]
            yield Row(
                method,
                same[0]["settings"],
                predictions,
                tuple(run["seed"] for run in same),
                {group: score_of([test[key] for test in tests]) for group, key in groups.items()},
                results[0]["parameters"],
                statistics.mean(map(minutes_of, results)),
            )


def groups_of(scores: Iterable[dict[str, float]]) -> dict[str, str]:
    """The accuracy is a column of its own where the test set is not balanced."""
    differs = any(abs(score["top1"] - score["balanced_accuracy"]) > 1e-6 for score in scores)
    return SCORES if differs else {group: key for group, key in SCORES.items() if group != "accuracy"}


def score_of(shares: list[float | None]) -> Score:
    """Not a number where a group has no classes."""
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        return Score(math.nan, None)
    return Score(in_percent(statistics.mean(known)), in_percent(statistics.stdev(known)) if len(known) > 1 else None)


def minutes_text(minutes: float) -> str:
    if minutes >= 10:
        return f"{minutes:.0f}"
    return decimal(minutes, 1 if minutes >= 1 else 2)


def minutes_of(result: dict[str, Any]) -> float:
    """Of both stages, where there are two."""
    return result["training_minutes"] + (result.get("first_stage", {}).get("training_minutes") or 0.0)


def by_method(content: dict[str, Any], pick: Callable[[dict[str, Any]], Any]) -> dict[str, dict[int, Any]]:
    """Of collected runs, for each method a value for each seed."""
    values: dict[str, dict[int, Any]] = {}
    for run in content["runs"]:
        values.setdefault(run["method"], {})[run["seed"]] = pick(run["result"])
    return values
