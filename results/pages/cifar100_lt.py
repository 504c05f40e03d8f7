"""CIFAR100-LT: the kept runs by imbalance, sweeps on held-out images, and tables whose runs were not kept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pages.cifar100_lt_transcribed import first_kept, fit_sets_table, held_out_table, second_stages_table
from pages.formatting import percent
from pages.run_rows import Row, read_runs, rows_of
from pages.run_tables import Processors, best_on_test_table, provenance_table, scores_table, sweep_table

PUBLISHED = {200: (48.0, 48.5), 100: (52.1, 52.3), 50: (56.0, 56.5), 10: (63.8, 64.2)}
"""GALA's test accuracy in its paper, raw and re-balanced, of the best epoch on the test set."""

COMPARED = {"ce": "cross-entropy", "balanced-softmax": "Balanced Softmax", "gala": "GALA"}
SEEDS_OF_A_CLAIM = 3


class Section:
    """The rows of one imbalance."""

    def __init__(self, rows: Sequence[Row], processors: Processors) -> None:
        self.imbalance: float = rows[0].config["imbalance"]
        self.published = [share / 100 for share in PUBLISHED.get(int(self.imbalance), ())]
        self.complete = [row for row in rows if row.complete]
        self.scores = scores_table(rows, processors)
        self.best_on_test = best_on_test_table(self.complete, processors)

    @property
    def few_seeds(self) -> str:
        """The losses that the page compares and that have fewer seeds than a claim needs."""
        rows = {name: self.plain(loss) for loss, name in COMPARED.items()}
        return ", ".join(name for name, row in rows.items() if row is not None and len(row.complete) < SEEDS_OF_A_CLAIM)

    def plain(self, loss: str) -> Row | None:
        """The row of a loss as its recipe has it; of several the one with most seeds."""
        rows = [row for row in self.complete if row.config["loss"] == loss and not row.changes]
        return max(rows, key=lambda row: len(row.complete), default=None)


def sections_of(rows: Sequence[Row], processors: Processors) -> list[Section]:
    levels = dict.fromkeys(row.config["imbalance"] for row in rows)
    return [Section([row for row in rows if row.config["imbalance"] == level], processors) for level in levels]


def values(results: Path) -> dict[str, Any]:
    rows = rows_of(read_runs(results / "runs", "cifar100"))
    processors = Processors(rows)
    sweeps = [row for row in rows if row.holds_out]
    stages = [row for row in rows if row.config.get("second_stage") and row not in sweeps]
    main = [row for row in rows if row not in sweeps and row not in stages]
    return {
        "sections": sections_of(main, processors),
        "config": main[0].config,
        "parameters": next(row for row in main if row.complete).results[0]["parameters"],
        "processors": processors.legend(),
        "provenance": provenance_table(rows),
        "sweeps": sweep_table(sweeps, processors) if sweeps else "",
        "stages": sections_of(stages, processors),
        **transcribed_values(results, main),
    }


def transcribed_values(results: Path, rows: list[Row]) -> dict[str, Any]:
    fit_sets = json.loads((results / "cifar100-lt-fit-sets.json").read_text())
    stages = json.loads((results / "cifar100-lt-second-stages.json").read_text())
    ce = first_kept(rows, "ce")
    plain = next(row for row in fit_sets["training images as they are"] if row["loss"] == "ce")
    return {
        "ce": ce,
        "balanced_softmax": first_kept(rows, "balanced-softmax"),
        "gala": first_kept(rows, "gala"),
        "fit_sets": fit_sets_table(fit_sets, rows),
        "plain_gain": plain["all"] - float(percent(ce.mean("raw"))),
        "held_out_run": fit_sets["held-out run"],
        "held_out": {row["fitted on"]: row["all"] for row in fit_sets["held-out run"]["rows"]},
        "held_out_table": held_out_table(fit_sets),
        "second_stages": second_stages_table(stages, ce),
        "stage": {row["stage"]: row for row in stages["rows"]},
    }
