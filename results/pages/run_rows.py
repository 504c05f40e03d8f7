"""Runs kept in `results/runs`, put into rows: those that differ in the seed and the machine only are averaged."""

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.recipes import RECIPES
from pages.configs import current
from pages.environment import UNKNOWN, processor_of
from pages.formatting import spread
from pages.names import NAMES, name_of

OF_THE_RUN = ("seed", "threads", "processes", "device", "first_stage")
NAMED_APART = ("dataset", "imbalance", "loss", "loss_arguments", "second_stage")
RESOLVED = {"precision": "bfloat16", "channels_last": "on", "compile": "off"}
Run = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """Runs of one configuration that compute the same, by seed.

    Attributes:
        runs: complete ones and those that diverged.
        split: whether the table has another row of this configuration, computed by code that is not linked.
    """

    runs: list[Run]
    split: bool

    @property
    def config(self) -> dict[str, Any]:
        return self.runs[0]["config"]

    @cached_property
    def complete(self) -> list[Run]:
        return [run for run in self.runs if "failure" not in run]

    @property
    def diverged(self) -> list[Run]:
        return [run for run in self.runs if "failure" in run]

    @property
    def results(self) -> list[dict[str, Any]]:
        return [run["result"] for run in self.complete]

    @property
    def name(self) -> str:
        words = [*(argument.replace("=", " ") for argument in self.config["loss_arguments"]), *self.changes]
        if self.split:
            words.append(f"commit {self.commits}")
        return self.method + (f" ({', '.join(words)})" if words else "")

    @property
    def method(self) -> str:
        stage = self.config.get("second_stage")
        if not stage:
            return name_of(self.config["loss"])
        first = {name_of(result["first_stage"]["config"]["loss"]) for result in self.results}
        return f"{name_of(stage)} after {', '.join(sorted(first)) or 'a first stage'}"

    @property
    def changes(self) -> list[str]:
        """Settings that are not as in the recipe; a second stage has its own."""
        if self.config.get("second_stage"):
            return []
        usual = json.loads(to_json(vars(RECIPES[self.runs[0]["recipe"]]()))) | RESOLVED
        apart = (*NAMED_APART, *OF_THE_RUN)
        return [
            f"{name} {value}" for name, value in self.config.items() if name not in apart and value != usual.get(name)
        ]

    @property
    def holds_out(self) -> bool:
        """Whether images were held out of training, on which settings are chosen."""
        return bool(self.config["validation"] or self.config.get("validation_per_class"))

    @property
    def seeds(self) -> str:
        return ", ".join(str(run["seed"]) for run in self.complete)

    @property
    def commits(self) -> str:
        return ", ".join(dict.fromkeys((run["commit"] or UNKNOWN)[:12] for run in self.runs))

    @property
    def processors(self) -> list[str]:
        return list(dict.fromkeys(processor_of(run["versions"]) for run in self.runs))

    def shares(self, treatment: str, score: str = "balanced_accuracy") -> list[float | None]:
        """Test scores in the last epoch, one for each seed."""
        return [result["test"].get(treatment, {}).get(score) for result in self.results]

    def mean(self, treatment: str, score: str = "balanced_accuracy") -> float:
        return statistics.mean(share for share in self.shares(treatment, score) if share is not None)

    def gain(self, treatment: str) -> float:
        return self.mean(treatment) - self.mean("raw")

    def score(self, treatment: str, score: str = "balanced_accuracy") -> str:
        return spread(self.shares(treatment, score))

    @property
    def has_epochs(self) -> bool:
        """Whether epochs were evaluated: τ-normalisation and nearest class means train none."""
        return all(result["best_on_test"] for result in self.results)

    def best(self, metric: str) -> list[float]:
        """Of the best evaluated epoch on the test set, one for each seed."""
        return [result["best_on_test"][metric]["top1"] for result in self.results]

    def best_epochs(self, metric: str) -> str:
        return ", ".join(str(result["best_on_test"][metric]["epoch"]) for result in self.results)

    def theta(self, what: str) -> list[float]:
        return [result[what] for result in self.results if what in result]


def read_runs(folder: Path, dataset: str) -> list[Run]:
    """All runs of a data set.

    Raises:
        ValueError: a file is not a run.
    """
    runs = []
    for path in sorted(folder.glob("*.json")):
        try:
            run = json.loads(path.read_text())
            run["config"] = current(run["config"])
            _ = run["recipe"], run["seed"], run["versions"], run["fingerprints"], run["commit"]
            if run["config"]["dataset"] == dataset and ("failure" in run or run["result"]["test"]):
                runs.append(run)
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path} must be a run that the queue kept. It is damaged: delete it.") from None
    return runs


def rows_of(runs: Iterable[Run]) -> list[Row]:
    """Sorted by imbalance, the largest first, then by method.

    Raises:
        ValueError: two runs of a row have the same seed.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(json.dumps(settings_of(run), sort_keys=True), []).append(run)
    rows = []
    for group in groups.values():
        parts = linked(group)
        rows += [Row(part, split=len(parts) > 1) for part in parts]
    for row in rows:
        check_seeds(row)
    return sorted(rows, key=place)


def settings_of(run: Run) -> dict[str, Any]:
    """What runs of a row share; of a second stage also what its first stage was."""
    first = run.get("result", {}).get("first_stage", {}).get("config")
    return {**without_seed(run["config"]), "settings of the first stage": without_seed(current(first) if first else {})}


def without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as floats, since 100 and 100.0 are one setting."""
    return {
        name: float(value) if type(value) is int else value for name, value in config.items() if name not in OF_THE_RUN
    }


def check_seeds(row: Row) -> None:
    seeds = [run["seed"] for run in row.runs]
    twice = [run["name"] for run in row.runs if seeds.count(run["seed"]) > 1]
    if twice:
        raise ValueError(f"Runs of one row must differ in the seed. {' and '.join(twice)} do not: delete one of them.")


def linked(runs: list[Run]) -> list[list[Run]]:
    """Parts of runs whose code computes the same: of one commit, or of commits with a fingerprint in common."""
    parts: list[list[Run]] = []
    for run in runs:
        joined = [part for part in parts if any(computes_the_same(run, other) for other in part)]
        parts = [part for part in parts if part not in joined] + [sum(joined, [run])]
    return [sorted(part, key=lambda run: run["seed"]) for part in parts]


def computes_the_same(first: Run, second: Run) -> bool:
    if first["commit"] == second["commit"]:
        return True
    if first["commit"] is None or second["commit"] is None:
        return False
    return bool(set(first["fingerprints"].values()) & set(second["fingerprints"].values()))


def place(row: Row) -> tuple[float, int, str]:
    known = list(NAMES)
    loss = row.config["loss"]
    return (-(row.config["imbalance"] or 1), known.index(loss) if loss in known else len(known), row.name)
