"""Tables of CIFAR100-LT whose run folders were not kept: printed numbers, in % with one decimal.

What the kept runs have is taken from them, so that one quantity is one number.
"""

from typing import Any

from pages.environment import UNKNOWN
from pages.formatting import decimal, percent, table
from pages.names import name_of
from pages.run_rows import Row
from pages.run_tables import GROUPS


def first_kept(rows: list[Row], loss: str) -> Row:
    """The run from before commits were recorded, which the transcribed tables are about."""
    return next(
        row
        for row in rows
        if (row.config["loss"], row.config["imbalance"], row.commits) == (loss, 100, UNKNOWN) and not row.changes
    )


def kept_scores(row: Row, treatment: str) -> list[str]:
    return [percent(row.mean(treatment, key)) for key in GROUPS.values()]


def fit_sets_table(content: dict[str, Any], rows: list[Row]) -> str:
    """The sets that inductive offsets were fitted on."""
    lines: list[tuple[str, ...]] = []
    for fitted in content["training images as they are"]:
        row, name = first_kept(rows, fitted["loss"]), name_of(fitted["loss"])
        lines.append((name, "nothing (raw)", *kept_scores(row, "raw")))
        lines.append((name, "training images as they are *", *(decimal(fitted[group]) for group in GROUPS)))
        lines.append((name, "augmented training images", *kept_scores(row, "inductive")))
        lines.append((name, "test images, transductive †", *kept_scores(row, "transductive")))
    return table(("loss", "fitted on", *GROUPS), lines, left=2)


def held_out_table(content: dict[str, Any]) -> str:
    rows = content["held-out run"]["rows"]
    lines = [(row["fitted on"], *(decimal(row[group]) for group in GROUPS)) for row in rows]
    return table(("fitted on *", *GROUPS), lines, left=1)


def second_stages_table(content: dict[str, Any], first: Row) -> str:
    keys = (*GROUPS, "inductive", "transductive")
    none = [*kept_scores(first, "raw"), percent(first.mean("inductive")), percent(first.mean("transductive"))]
    lines = [("none", *none)]
    lines += [(f"{name_of(row['stage'])} *", *(decimal(row[key]) for key in keys)) for row in content["rows"]]
    return table(("second stage", *GROUPS, "all, inductive", "all, transductive †"), lines, left=1)
