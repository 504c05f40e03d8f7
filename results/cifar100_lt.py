"""Collects complete runs of CIFAR-LT into one JSON file and prints its tables as Markdown.

    python results/cifar100_lt.py RUN [RUN …] --json results/cifar100-lt.json
    python results/cifar100_lt.py --json results/cifar100-lt.json      # the tables of what is there

Runs that differ in nothing but the seed are averaged.
"""

import argparse
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.runs import RunFolder
from longtail.whole_file import write_whole

COLUMNS = {"all": "top1", "many": "many", "medium": "medium", "few": "few"}
NAMES = {"ce": "cross-entropy", "balanced-softmax": "Balanced Softmax", "gala": "GALA"}
Run = dict[str, Any]


def collected(paths: Iterable[Path]) -> list[Run]:
    """What each run leaves behind, without its predictions and weights."""
    runs = []
    for path in paths:
        folder = RunFolder.open(path)
        if folder.result is None:
            raise SystemExit(f"{path} is not complete; resume it first.")
        runs.append({**folder.header, "metrics": folder.metrics, "result": folder.result})
    return runs


def groups_of(runs: list[Run]) -> list[list[Run]]:
    """Runs that differ in the seed only, in the order in which they come."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        settings = {name: value for name, value in run["config"].items() if name not in ("seed", "threads")}
        groups.setdefault(json.dumps(settings), []).append(run)
    return list(groups.values())


def spread(values: list[float]) -> str:
    """A percentage, with the standard deviation where there are several seeds."""
    mean = f"{100 * statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * statistics.stdev(values):.1f}"


def name_of(run: Run) -> str:
    """The loss and its arguments."""
    arguments = ", ".join(argument.replace("=", " ") for argument in run["config"]["loss_arguments"])
    return NAMES[run["config"]["loss"]] + (f" ({arguments})" if arguments else "")


def scores_table(runs: list[Run]) -> str:
    """Test accuracy of each loss under each treatment."""
    lines = [
        "| imbalance | loss | seeds | predictions | all | many | medium | few |",
        "|---:|---|---|---|---:|---:|---:|---:|",
    ]
    for group in groups_of(runs):
        for treatment in group[0]["result"]["test"]:
            dagger = " †" if treatment.startswith("transductive") else ""
            cells = [spread([run["result"]["test"][treatment][column] for run in group]) for column in COLUMNS.values()]
            lines.append(
                f"| {group[0]['config']['imbalance']:g} | {name_of(group[0])} | {seeds(group)} | {treatment}{dagger} | "
                f"{' | '.join(cells)} |"
            )
    return "\n".join(lines)


def chosen_on_test_table(runs: list[Run]) -> str:
    """The best evaluated epoch of each loss, chosen by looking at the test set, as many papers do."""
    lines = [
        "| imbalance | loss | seeds | best raw ‡ | epoch | best re-balanced † ‡ | epoch | slope of log θ |",
        "|---:|---|---|---:|---|---:|---|---:|",
    ]
    for group in groups_of(runs):
        best = [run["result"]["best_on_test"] for run in group]
        cells: list[str] = []
        for name in ("test_top1", "test_top1_transductive"):
            cells += [spread([b[name]["top1"] for b in best]), ", ".join(str(b[name]["epoch"]) for b in best)]
        slopes = [run["result"]["theta_slope"] for run in group if "theta_slope" in run["result"]]
        slope = f"{statistics.mean(slopes):.2f}" if slopes else ""
        lines.append(
            f"| {group[0]['config']['imbalance']:g} | {name_of(group[0])} | {seeds(group)} | "
            f"{' | '.join(cells)} | {slope} |"
        )
    return "\n".join(lines)


def seeds(group: list[Run]) -> str:
    """Which seeds a row averages."""
    return ", ".join(str(run["seed"]) for run in group)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, help="run folders; without any, the JSON file is read")
    parser.add_argument("--json", type=Path, required=True, help="written from the runs, or read")
    options = parser.parse_args()
    if options.runs:
        with write_whole(options.json) as file:
            file.write((to_json(collected(options.runs)) + "\n").encode())
    runs = json.loads(options.json.read_text())
    print(f"{scores_table(runs)}\n\n{chosen_on_test_table(runs)}")


if __name__ == "__main__":
    main()
