"""Collects complete runs into one JSON file, from which `write_pages.py` writes a page.

    longtail compare digits-lt --methods all --seeds 5 --threads 1 --out DIR
    python results/collect_runs.py DIR [DIR …] --json results/methods-digits.json

Each DIR holds run folders named METHOD-seedK. The file has the configuration of the first method, how the others
differ from it, and the result of each run, without predictions, weights and recalls of single classes.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.recipes import METHODS
from longtail.reports.settings_of_method import settings_of_method
from longtail.runs import RunFolder
from longtail.whole_file import write_whole

LEFT_OUT = ("class_counts", "recall", "best_on_test")


def collected(folders: list[Path]) -> dict[str, Any]:
    runs = sorted((run for folder in folders for run in runs_of(folder)), key=place)
    common = runs[0].header
    for run in runs[1:]:
        if run.header["versions"] != common["versions"]:
            raise ValueError(
                f"All runs must have the same versions and processor. {runs[0].path} has {common['versions']}, "
                f"{run.path} has {run.header['versions']}. Collect them into two files."
            )
    return {
        "versions": common["versions"],
        "class_counts": (runs[0].result or {})["class_counts"],
        "config": common["config"],
        "runs": [record_of(run, common["config"]) for run in runs],
    }


def runs_of(folder: Path) -> list[RunFolder]:
    runs = [RunFolder.open(path.parent) for path in sorted(folder.glob("*/run.json"))]
    if not runs:
        raise ValueError(f"{folder} must hold run folders. It has none.")
    for run in runs:
        if run.result is None:
            raise ValueError(f"{run.path} must be complete. It has no result yet; run the same comparison again.")
    return runs


def place(run: RunFolder) -> tuple[int, str, int]:
    """Methods in the order of `longtail methods`, seeds in theirs."""
    name = method_of(run)
    known = list(METHODS)
    return (known.index(name) if name in known else len(known), name, run.header["seed"])


def method_of(run: RunFolder) -> str:
    return run.path.name.removesuffix(f"-seed{run.header['seed']}")


def record_of(run: RunFolder, common: dict[str, Any]) -> dict[str, Any]:
    config, result = run.header["config"], run.result or {}
    record = {
        "method": method_of(run),
        "seed": run.header["seed"],
        "differences": {key: value for key, value in config.items() if key != "seed" and common.get(key) != value},
        "result": without(result, LEFT_OUT),
    }
    if "training_minutes" in result:  # of the trainer, whose methods have a column of their settings
        record["settings"] = settings_of_method(run, common)
    return record


def without(content: Any, keys: tuple[str, ...]) -> Any:
    if not isinstance(content, dict):
        return content
    return {key: without(value, keys) for key, value in content.items() if key not in keys}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    try:
        content = collected(options.folders)
        runs = content.pop("runs")
        lines = ",\n".join(to_json(run) for run in runs)
        with write_whole(options.json) as file:
            file.write(f'{to_json(content)[:-1]}, "runs": [\n{lines}\n]}}\n'.encode())
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
