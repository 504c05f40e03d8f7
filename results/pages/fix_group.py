"""The results of `longtail fix` for one model on one data set, by split, and what single results say."""

import statistics
from collections.abc import Callable, Iterable
from statistics import NormalDist
from typing import Any

PUBLISHED = "as published"
HELD_OUT = ("GoEmotions", "fish features")
"""Data with a held-out set; on the others models are cross-validated."""
KINDS = ("cross-validated predictions", "a held-out set", "one half of published predictions")
Result = dict[str, Any]


class Group:
    """The results of one model on one data set, by seed."""

    def __init__(self, results: list[Result]) -> None:
        self.results = sorted(results, key=lambda result: result["seed"])
        self.data: str = results[0]["data"]
        self.model: str = results[0]["model"]
        self.used = used(self.results)
        self.not_used = [r for r in self.results if r["verdict"] != "use"]

    @property
    def name(self) -> str:
        return self.data if self.model == PUBLISHED else f"{self.model} on {self.data}"

    def values(self, when: str, score: str = "balanced_accuracy") -> list[float]:
        """Of "before", "after" or "anyway"."""
        return [r[when][score] for r in self.results]

    def mean(self, when: str, score: str = "balanced_accuracy") -> float:
        return statistics.mean(self.values(when, score))

    def mean_of_used(self, key: str) -> float:
        return statistics.mean(r[key] for r in self.used)

    def verdicts(self) -> str:
        return counted(r["verdict"] for r in self.results)

    def cross_fitted(self, names: Iterable[str]) -> list[float | None]:
        """The scores of a candidate by any of its names."""
        return [
            next((r["cross_fitted"][name] for name in names if name in r["cross_fitted"]), None) for r in self.results
        ]

    def mean_by_fold(self, when: str) -> float:
        """Of the models of the cross-validation, on the test set."""
        return statistics.mean(each[when] for r in self.results for each in r["by_fold"])

    def pairs(self, way: str) -> list[tuple[float, float]]:
        """The balanced accuracy by another way and by the fix, of the splits that have both."""
        score = "balanced_accuracy"
        return [(r["others"][way][score], r["after"][score]) for r in self.results if way in r["others"]]

    def others(self, way: str, score: str) -> list[float]:
        return [r["others"][way][score] for r in self.results if way in r["others"]]


def groups_of(results: list[Result]) -> list[Group]:
    """One per data set and model, in the order in which a run takes them."""
    names = dict.fromkeys((r["data"], r["model"]) for r in results)
    return [Group([r for r in results if (r["data"], r["model"]) == name]) for name in names]


def used(results: Iterable[Result]) -> list[Result]:
    return [r for r in results if r["verdict"] == "use"]


def kind(result: Result) -> str:
    """What the diagnosis saw."""
    if result["model"] == PUBLISHED:
        return KINDS[2]
    return KINDS[1] if result["data"] in HELD_OUT else KINDS[0]


def gain(result: Result, when: str = "after", score: str = "balanced_accuracy") -> float:
    """On the test set; "anyway" is by the best candidate, whatever the verdict."""
    return float(result[when][score] - result["before"][score])


def is_covered(result: Result) -> bool:
    low, high = result["interval"]
    return bool(low <= gain(result) <= high)


def agrees(result: Result) -> bool:
    """Whether promised and measured gain differ by at most 1.96 standard errors of their difference."""
    return is_explained(gain(result), result)


def agrees_by_fold(result: Result) -> bool:
    """The same for the gain of the models of the cross-validation."""
    return is_explained(gain_by_fold(result), result)


def is_explained(measured: float, result: Result) -> bool:
    return abs(measured - result["promised"]) <= NormalDist().inv_cdf(0.975) * error_of_difference(result)


def gain_by_fold(result: Result) -> float:
    """The mean gain on the test set, by the same fix, of the models that the diagnosis saw in cross-validation."""
    return statistics.mean(each["after"] - each["before"] for each in result["by_fold"])


def chance_of_coverage(result: Result) -> float:
    """That the interval covers the measured gain, which has an error of its own, if the promise is right."""
    return 2 * NormalDist().cdf(half_width(result) / error_of_difference(result)) - 1


def error_of_difference(result: Result) -> float:
    """The standard error of the difference of promised and measured gain."""
    promised = half_width(result) / NormalDist().inv_cdf((1 + result["level"]) / 2)
    return float((promised**2 + result["gain_error"] ** 2) ** 0.5)


def half_width(result: Result) -> float:
    low, high = result["interval"]
    return float(high - low) / 2


def count(condition: Callable[[Result], bool], results: Iterable[Result]) -> int:
    return sum(map(condition, results))


def counted(words: Iterable[str]) -> str:
    """Each word with the number of times that it occurs, the most frequent first."""
    found = list(words)
    return ", ".join(f"{word} {found.count(word)}" for word in sorted(set(found), key=lambda w: (-found.count(w), w)))
