"""Whether promised gains are covered: the table of the simulation, and which goals it meets."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pages.environment import BEFORE, environments_of
from pages.formatting import decimal, percent, table

NAMES = {
    "balanced-accuracy": "balanced accuracy",
    "accuracy": "accuracy under the long tail",
    "macro-f1": "macro-F1",
    "worst-tenth": "worst tenth",
    "cost": "cost",
}
POOLED, OF_A_CELL, FALSE_USE = 0.015, 0.04, 0.025
"""Coverage may lie so far below nominal, pooled over worlds and in one world; share of "use" without a gain."""
Row = dict[str, Any]


class Cell:
    """Repetitions of one metric and size, of one world or of all."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = [row for row in rows if row["truth"] is not None]
        self.number = len(self.rows)
        self.metric, self.classes, self.level = (rows[0][key] for key in ("metric", "classes", "level"))

    @property
    def covered(self) -> float:
        return sum(row["interval"][0] <= row["truth"] <= row["interval"][1] for row in self.rows) / self.number

    @property
    def error(self) -> float:
        """The standard error of the coverage, if it is nominal."""
        return math.sqrt(self.level * (1 - self.level) / self.number)

    @property
    def used(self) -> float:
        return sum(row["verdict"] == "use" for row in self.rows) / self.number

    @property
    def false_use(self) -> float:
        return sum(row["verdict"] == "use" and row["truth"] <= 0 for row in self.rows) / self.number

    @property
    def most_false_use(self) -> float:
        """2.5 % and two standard errors of it."""
        return FALSE_USE + 2 * math.sqrt(FALSE_USE * (1 - FALSE_USE) / self.number)

    @property
    def bias(self) -> float:
        """The mean of promised less true gain, where a correction is chosen."""
        chosen = [row["gain"] - row["truth"] for row in self.rows if row["strength"] > 0]
        return sum(chosen) / len(chosen) if chosen else 0.0


class Size:
    """Repetitions of one metric and size, and those of each world."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.all = Cell(rows)
        worlds = dict.fromkeys(row["world"] for row in rows)
        self.worlds = {world: Cell([row for row in rows if row["world"] == world]) for world in worlds}

    @property
    def lowest(self) -> tuple[str, Cell]:
        return min(self.worlds.items(), key=lambda item: item[1].covered)

    @property
    def meets_the_goals(self) -> bool:
        pooled = self.all.covered >= self.all.level - POOLED
        cells = all(cell.covered >= cell.level - OF_A_CELL for cell in self.worlds.values())
        return pooled and cells and self.all.false_use <= self.all.most_false_use


def sizes_of(rows: Sequence[Row]) -> list[Size]:
    keys = dict.fromkeys((row["metric"], row["classes"]) for row in rows)
    ordered = sorted(keys, key=lambda key: (list(NAMES).index(key[0]), key[1]))
    return [Size([row for row in rows if (row["metric"], row["classes"]) == key]) for key in ordered]


def pooled_table(sizes: Sequence[Size], samples: dict[int, int]) -> str:
    rows = []
    for size in sizes:
        world, lowest = size.lowest
        rows.append(
            (
                NAMES[size.all.metric],
                f"{size.all.classes}, {samples[size.all.classes]:,}",
                world,
                size.all.number,
                percent(size.all.level, 2),
                percent(size.all.covered),
                percent(lowest.covered),
                percent(size.all.used),
                percent(size.all.false_use),
                "yes" if size.meets_the_goals else "no",
            )
        )
    columns = ("metric", "classes, samples", "lowest in the world", "diagnoses", "nominal", "covered", "lowest world")
    return table((*columns, "use", "use without a gain", "goals met"), rows, left=3)


def worlds_table(sizes: Sequence[Size]) -> str:
    """Coverage of each world."""
    worlds = list(sizes[0].worlds)
    rows = [
        (NAMES[size.all.metric], size.all.classes, *(percent(size.worlds[world].covered) for world in worlds))
        for size in sizes
    ]
    return table(("metric", "classes", *worlds), rows, left=1)


def bias_table(sizes: Sequence[Size]) -> str:
    """Promised less true gain of each world, in points."""
    worlds = list(sizes[0].worlds)
    rows = [
        (NAMES[size.all.metric], size.all.classes, *(decimal(100 * size.worlds[world].bias) for world in worlds))
        for size in sizes
        if size.all.metric != "cost"
    ]
    return table(("metric", "classes", *worlds), rows, left=1)


def values(results: Path) -> dict[str, Any]:
    content = json.loads((results / "fix-coverage.json").read_text())
    sizes = sizes_of(content["rows"])
    per_world = sorted(cell.number for size in sizes for cell in size.worlds.values())
    return {
        "commits": [f"`{one['commit'][:7]}`" for one in content["computed"]],
        "environment": environments_of(content["computed"], BEFORE),
        "diagnoses": sum(size.all.number for size in sizes),
        "fewest": per_world[0],
        "most": per_world[-1],
        "error": max(cell.error for size in sizes for cell in size.worlds.values()),
        "pooled": pooled_table(sizes, dict(content["sizes"])),
        "worlds": worlds_table(sizes),
        "bias": bias_table(sizes),
        "met": sum(size.meets_the_goals for size in sizes),
        "sizes": len(sizes),
        "missed": [
            f"{NAMES[size.all.metric]} at {size.all.classes} classes" for size in sizes if not size.meets_the_goals
        ],
    }
