"""Collects complete runs of CIFAR-LT into one JSON file and prints its tables as Markdown.

    python results/cifar100_lt.py RUN [RUN …] --json results/cifar100-lt.json
    python results/cifar100_lt.py --json results/cifar100-lt.json      # the tables of what is there

Runs that differ in nothing but the seed are averaged, mean ± standard deviation.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.recipes import cifar10_lt, cifar100_lt
from longtail.reports.cells import GROUPS, spread
from longtail.runs import RunFolder
from longtail.whole_file import write_whole

TREATMENTS = ("raw", "inductive", "inductive, fixed point", "transductive", "transductive, fixed point")
NAMES = {"ce": "cross-entropy", "balanced-softmax": "Balanced Softmax", "gala": "GALA"}
OF_THE_MACHINE = ("seed", "threads", "processes", "device")
LEGEND = (
    "† transductive: fitted on the unlabelled test set as a whole, taken to be balanced. "
    "‡ the best of the evaluated epochs, chosen on the test set; not a result of ours, but what the paper reports."
)
Run = dict[str, Any]


def collected(paths: Iterable[Path]) -> list[Run]:
    """What each run leaves behind, without its predictions and weights."""
    runs: list[Run] = []
    for path in paths:
        folder = RunFolder.open(path)
        if folder.result is None:
            raise ValueError(f"{path} is not complete; resume it first.")
        run = {**folder.header, "metrics": folder.metrics, "result": folder.result}
        if any(other["config"] == run["config"] for other in runs):
            raise ValueError(f"{path} is a run that was given before: same settings, same seed.")
        runs.append(run)
    return runs


def groups_of(runs: list[Run]) -> list[list[Run]]:
    """Runs that differ in the seed only, in the order in which they come."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        settings = {name: value for name, value in run["config"].items() if name not in OF_THE_MACHINE}
        groups.setdefault(json.dumps(settings), []).append(run)
    return list(groups.values())


def name_of(run: Run) -> str:
    """The loss, its arguments and whatever else differs from the recipe."""
    config = run["config"]
    recipe = to_json(vars(cifar10_lt() if config["dataset"] == "cifar10" else cifar100_lt()))
    usual = {**json.loads(recipe), "precision": "bfloat16", "channels_last": "on", "compile": "off"}
    told = ("dataset", "imbalance", "loss", "loss_arguments", *OF_THE_MACHINE)
    changes = [f"{name} {value}" for name, value in config.items() if name not in told and value != usual.get(name)]
    words = [*(argument.replace("=", " ") for argument in config["loss_arguments"]), *changes]
    return NAMES.get(config["loss"], config["loss"]) + (f" ({', '.join(words)})" if words else "")


def head_of(group: list[Run]) -> str:
    """The first cells of a row: data, loss, seeds."""
    config = group[0]["config"]
    return f"| {config['imbalance']:g} | {name_of(group[0])} | {', '.join(str(run['seed']) for run in group)} |"


def scores_table(runs: list[Run]) -> str:
    """Test accuracy of each loss under each treatment, in the last epoch."""
    lines = [
        "| imbalance | loss | seeds | predictions | all | many | medium | few |",
        "|---:|---|---|---|---:|---:|---:|---:|",
    ]
    for group in groups_of(runs):
        for treatment in TREATMENTS:
            rows = [run["result"]["test"].get(treatment, {}) for run in group]
            cells = " | ".join(spread([row.get(column) for row in rows]) for column in GROUPS.values())
            dagger = " †" if treatment.startswith("transductive") else ""
            lines.append(f"{head_of(group)} {treatment}{dagger} | {cells} |")
    return "\n".join(lines)


def chosen_on_test_table(runs: list[Run]) -> str:
    """The best evaluated epoch of each loss, chosen by looking at the test set, as many papers do."""
    lines = [
        "| imbalance | loss | seeds | best raw ‡ | epoch | best re-balanced † ‡ | epoch | slope of log θ over log n |",
        "|---:|---|---|---:|---|---:|---|---:|",
    ]
    for group in groups_of(runs):
        best = [run["result"]["best_on_test"] for run in group]
        cells: list[str] = []
        for name in ("test_top1", "test_top1_transductive"):
            cells += [spread([b[name]["top1"] for b in best]), ", ".join(str(b[name]["epoch"]) for b in best)]
        slopes = [run["result"]["theta_slope"] for run in group if "theta_slope" in run["result"]]
        slope = f"{statistics.mean(slopes):.2f}" if slopes else ""
        lines.append(f"{head_of(group)} {' | '.join(cells)} | {slope} |")
    return "\n".join(lines)


def tables(runs: list[Run]) -> str:
    """Both tables and what their signs mean."""
    return f"{scores_table(runs)}\n\n{chosen_on_test_table(runs)}\n\n{LEGEND}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="run folders; without any, the JSON file is read")
    parser.add_argument("--json", type=Path, help="written from the runs, or read")
    options = parser.parse_args()
    if not options.runs and not options.json:
        parser.error("give run folders, or --json with a file of them")
    try:
        if options.runs:
            runs = collected(options.runs)
            if options.json:
                with write_whole(options.json) as file:
                    file.write((to_json(runs) + "\n").encode())
        runs = json.loads(options.json.read_text()) if options.json else json.loads(to_json(runs))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(tables(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
