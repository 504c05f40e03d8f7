"""Three losses on digits: the runs of `examples/digits.py`, fitted on two sets and run on two processors."""

import json
import statistics
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

from pages.environment import environment_of, processor_of
from pages.formatting import decimal, in_percent, percent, spread, table

LOSSES = ("cross-entropy", "Balanced Softmax", "GALA")
TREATMENTS = ("raw", "inductive", "transductive †")
GROUPS = ("all", "many", "medium", "few")
SLOPE = "slope of log theta over log n"


class Runs:
    """Complete runs of all losses, the seeds of each in one order."""

    def __init__(self, content: dict[str, Any], fit_on: str) -> None:
        self.versions: dict[str, str] = content["versions"]
        self.class_counts: list[int] = content["class_counts"]
        self.config: dict[str, Any] = content["config"]
        self.results: dict[str, list[dict[str, Any]]] = {loss: [] for loss in LOSSES}
        for run in sorted(content["runs"], key=lambda run: run["seed"]):
            config = self.config | run["differences"]
            if config["fit_on"] == fit_on:
                self.results[config["loss"]].append(run["result"])
        if len({len(results) for results in self.results.values()}) > 1:
            raise ValueError(f"Every loss must have the same number of seeds where the fit is on {fit_on!r}.")

    @property
    def seeds(self) -> int:
        return len(self.results["GALA"])

    def scores(self, loss: str, treatment: str, group: str = "all") -> list[float]:
        """One share for each seed."""
        return [result["test"][treatment][group] for result in self.results[loss]]

    def mean(self, loss: str, treatment: str, group: str = "all") -> float:
        return statistics.mean(self.scores(loss, treatment, group))

    def gain(self, loss: str, treatment: str, group: str) -> list[float]:
        """What re-balancing adds to the raw predictions, seed by seed."""
        return differences(self.scores(loss, treatment, group), self.scores(loss, "raw", group))

    def slope(self) -> float:
        return statistics.mean(result[SLOPE] for result in self.results["GALA"])

    def table(self, shown: Iterable[tuple[str, str]] = tuple(product(LOSSES, TREATMENTS))) -> str:
        """Rows of a loss and a treatment."""
        rows = [
            (loss, treatment, *(spread(self.scores(loss, treatment, group)) for group in GROUPS))
            for loss, treatment in shown
        ]
        return table(("loss", "re-balancing", *GROUPS), rows, left=2)

    def gala(self, treatment: str) -> str:
        """How GALA compares with the better of the other losses."""
        others = [loss for loss in LOSSES if loss != "GALA"]
        rival = max(others, key=lambda loss: self.mean(loss, treatment))
        return compared(differences(self.scores("GALA", treatment), self.scores(rival, treatment)), rival)


def differences(first: list[float], second: list[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]


def compared(difference: list[float], rival: str) -> str:
    """A sentence about a paired difference; one below two standard errors is called a tie."""
    mean = statistics.mean(difference)
    error = statistics.stdev(difference) / len(difference) ** 0.5
    if abs(mean) < 2 * error:
        return f"GALA and {rival} are tied ({spread(difference)} points)"
    better, sign = ("better", 1) if mean > 0 else ("worse", -1)
    return f"GALA is {better} than {rival} by {spread([sign * d for d in difference])} points"


def two_processors(first: Runs, second: Runs) -> str:
    """The means of both, their difference, and the largest difference of a single seed."""
    rows = []
    for loss in LOSSES:
        for treatment in TREATMENTS:
            one, other = first.scores(loss, treatment), second.scores(loss, treatment)
            single = max(map(abs, differences(one, other)))
            change = statistics.mean(other) - statistics.mean(one)
            rows.append((loss, treatment, spread(one), spread(other), percent(change, 2), percent(single)))
    columns = (processor_of(first.versions), processor_of(second.versions), "difference", "largest of one seed")
    return table(("loss", "re-balancing", *columns), rows, left=2)


def largest_change(first: Runs, second: Runs) -> str:
    """Of a mean over seeds, in points."""
    changes = [abs(second.mean(loss, t) - first.mean(loss, t)) for loss in LOSSES for t in TREATMENTS]
    return decimal(in_percent(max(changes)), 2)


def values(results: Path) -> dict[str, Any]:
    content = json.loads((results / "digits.json").read_text())
    other = json.loads((results / "digits-avx2.json").read_text())
    shifted, elsewhere = Runs(content, "shifted"), Runs(other, "shifted")
    return {
        "config": shifted.config,
        "parameters": shifted.results["GALA"][0]["parameters"],
        "class_counts": shifted.class_counts,
        "environment": environment_of(shifted.versions),
        "shifted": shifted,
        "train": Runs(content, "train"),
        "treatments": TREATMENTS,
        "two_processors": two_processors(shifted, elsewhere),
        "largest_change": largest_change(shifted, elsewhere),
    }
