"""What `longtail fix` promised from held-out predictions, and what the test set said."""

import json
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pages.environment import BEFORE, environments_of
from pages.formatting import decimal, percent, spread, table

CANDIDATES = {
    "re-balancing": "one step",
    "re-balancing to the fixed point": "fixed point",
    "logit adjustment": "logit adjustment",
    "offsets fitted to the metric": "fitted to the metric",
}
OTHER_WAYS = ("class_weight", "class_weight_and_fix", "thresholds")
DATA = {
    "TREC, 50 classes": "TREC",
    "BANKING77": "BANKING77",
    "digits, 10 classes": "the table of digits",
    "made up, 20 classes": "the synthetic table",
    "digits, imbalance 50": "images of digits",
    "cifar100, imbalance 100": "CIFAR100-LT",
}
MODELS = {"network, ce": "the network with cross-entropy", "network, gala": "the network with GALA"}
LOWER_WHEN_CROSS_VALIDATED = ("TREC, 50 classes",)
"""Data on which cross-validated scores are far below tested ones."""
Result = dict[str, Any]


class Group:
    """The results of one model on one data set, by seed."""

    def __init__(self, results: list[Result]) -> None:
        self.results = results
        self.data: str = results[0]["data"]
        self.model: str = results[0]["model"]
        self.used = [r for r in results if r["verdict"] == "use"]
        self.not_used = [r for r in results if r["verdict"] != "use"]

    @property
    def name(self) -> str:
        return f"{MODELS.get(self.model, self.model)} on {DATA[self.data]}"

    @property
    def seeds(self) -> int:
        return len(self.results)

    def shares(self, key: str) -> list[float]:
        return [r[key] for r in self.results]

    def mean(self, key: str) -> float:
        return statistics.mean(self.shares(key))

    def mean_of(self, candidate: str) -> float:
        """The mean cross-fitted score of a candidate that has one for each seed."""
        return statistics.mean(share for share in self.cross_fitted(candidate) if share is not None)

    def cross_fitted(self, name: str) -> list[float | None]:
        return [r["cross_fitted"].get(name) for r in self.results]

    def ranked_candidates(self) -> list[str]:
        """By the mean of the cross-fitted scores, the best first."""
        known = [name for name in CANDIDATES if None not in self.cross_fitted(name)]
        return sorted(known, key=lambda name: -self.mean_of(name))

    def best_candidate(self) -> str:
        return self.ranked_candidates()[0]

    def second_best(self) -> float:
        return self.mean_of(self.ranked_candidates()[1])

    def verdicts(self) -> str:
        said = [r["verdict"] for r in self.results]
        return ", ".join(f"{verdict} {said.count(verdict)}" for verdict in sorted(set(said)))

    def wins(self, first: str, second: str) -> int:
        """Seeds in which one score is above another."""
        return sum(r[first] > r[second] for r in self.results)

    def candidate_wins(self, first: str, second: str) -> int:
        return sum(r["cross_fitted"][first] > r["cross_fitted"][second] for r in self.results)


def gain(result: Result) -> float:
    return float(result["after"] - result["before"])


def forgone(result: Result) -> float:
    """What the best candidate would have changed where it was not used."""
    return float(result["anyway"] - result["before"])


def is_covered(result: Result) -> bool:
    low, high = result["interval"]
    return bool(low <= gain(result) <= high)


def count(condition: Callable[[Result], bool], results: Iterable[Result]) -> int:
    return sum(map(condition, results))


def groups_of(results: list[Result]) -> list[Group]:
    names = dict.fromkeys((r["data"], r["model"]) for r in results)
    return [Group([r for r in results if (r["data"], r["model"]) == name]) for name in names]


def promises_table(groups: list[Group]) -> str:
    """What the diagnosis says, from held-out predictions alone."""
    rows = [
        (
            group.data,
            group.model,
            group.seeds,
            group.verdicts(),
            spread(group.shares("held_out_before")),
            *(spread(group.cross_fitted(name)) for name in CANDIDATES),
            spread(group.shares("promised")),
            spread([r["interval"][1] - r["interval"][0] for r in group.results]),
        )
        for group in groups
    ]
    columns = ("as it is", *CANDIDATES.values(), "promised gain", "width of its interval")
    return table(("data", "model", "seeds", "verdict", *columns), rows, left=4)


def gains_table(groups: list[Group]) -> str:
    """What the test set says of the fixes."""
    rows = []
    for group in groups:
        used = group.used
        rows.append(
            (
                group.data,
                group.model,
                *(spread(group.shares(key)) for key in ("before", "after")),
                some(spread, [gain(r) for r in used]),
                some(spread, [r["promised"] for r in used]),
                f"{count(lambda r: gain(r) > 0, used)} of {len(used)}" if used else "",
                f"{count(is_covered, used)} of {len(used)}" if used else "",
                some(spread, [forgone(r) for r in group.not_used]),
                *(spread(group.shares(key)) for key in ("accuracy_before", "accuracy_after")),
            )
        )
    columns = ("before", "after", "gain where used", "promised", "gained", "covered", "gain forgone")
    return table(("data", "model", *columns, "accuracy before", "accuracy after"), rows, left=2)


def other_ways_table(groups: list[Group]) -> str:
    """What a user would do instead of a fix."""
    rows = [
        (
            group.data,
            group.model,
            spread(group.shares("after")),
            *(spread(group.shares(key)) if key in group.results[0] else "" for key in OTHER_WAYS),
        )
        for group in groups
        if any(key in group.results[0] for key in OTHER_WAYS)
    ]
    columns = ("fix", "class_weight", "class_weight and fix", "thresholds")
    return table(("data", "model", *columns), rows, left=2)


def some(text: Callable[[list[float]], str], values: list[float]) -> str:
    return text(values) if values else ""


def candidates_table(groups: list[Group]) -> str:
    """The best candidate of each model, beside the fixed point."""
    rows = []
    for group in groups:
        best, rival = group.best_candidate(), "re-balancing to the fixed point"
        wins = "" if best == rival else f"{group.candidate_wins(best, rival)} of {group.seeds}"
        scores = (percent(group.mean_of(name)) for name in (best, rival))
        rows.append((group.data, group.model, CANDIDATES[best], *scores, wins))
    columns = ("its score", "fixed point", "seeds in which it is above the fixed point")
    return table(("data", "model", "best candidate", *columns), rows, left=3)


def values(results: Path) -> dict[str, Any]:
    runs = json.loads((results / "fix.json").read_text())
    groups = groups_of(runs)
    used = [r for r in runs if r["verdict"] == "use"]
    kept = [r for r in runs if r["verdict"] == "keep"]
    few = [r for r in runs if r["verdict"] == "too few"]
    similar = [r for r in used if r["data"] not in LOWER_WHEN_CROSS_VALIDATED]
    return {
        "runs": runs,
        "group": {(group.data, group.model): group for group in groups},
        "environments": environments_of(runs, BEFORE | {"scikit-learn": "1.9.1"}),
        "promises": promises_table(groups),
        "gains": gains_table(groups),
        "other_ways": other_ways_table(groups),
        "used": used,
        "gained": count(lambda r: gain(r) > 0, used),
        "kept": kept,
        "kept_changes": [forgone(r) for r in kept],
        "few": few,
        "few_would_gain": count(lambda r: forgone(r) > 0.01, few),
        "few_would_lose": count(lambda r: forgone(r) < -0.01, few),
        "covered": count(is_covered, used),
        "below": count(lambda r: gain(r) < r["interval"][0], used),
        "similar": similar,
        "similar_covered": count(is_covered, similar),
        "candidates": candidates_table(groups),
        "added_by_fix": [
            100 * (group.mean("class_weight_and_fix") - group.mean("class_weight"))
            for group in groups
            if "class_weight" in group.results[0]
        ],
        "threshold_wins": [
            f"{group.name} ({percent(group.mean('thresholds'))} and {percent(group.mean('after'))})"
            for group in groups
            if "thresholds" in group.results[0] and group.mean("thresholds") > group.mean("after")
        ],
        "accuracy": [
            f"{group.name} {decimal(100 * (group.mean('accuracy_after') - group.mean('accuracy_before')))}"
            for group in groups
            if group.used and abs(group.mean("accuracy_after") - group.mean("accuracy_before")) > 0.01
        ],
    }
