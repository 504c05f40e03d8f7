"""Every loss, and CMO, on plankton."""

import json
from pathlib import Path
from typing import Any

from longtail.losses.catalogue import LOSSES
from pages.comparison import Comparison, by_method
from pages.environment import environment_of
from pages.formatting import decimal
from pages.names import name_of

CLOSE_AFTER_OFFSETS = ("ce", "focal", "ldam", "eql", "eql-v2", "seesaw")


def values(results: Path) -> dict[str, Any]:
    content = json.loads((results / "methods-plankton.json").read_text())
    comparison = Comparison(content)
    raw = {name: comparison.mean(name) for name in comparison.methods if name in LOSSES}
    slopes = by_method(content, lambda result: result.get("theta_slope"))["gala"]
    inductive = [comparison.mean(name, "inductive") for name in CLOSE_AFTER_OFFSETS]
    balanced = [name for name, mean in raw.items() if mean > 45]
    return {
        "c": comparison,
        "counts": comparison.class_counts,
        "environment": environment_of(comparison.versions),
        "raw": raw,
        "inductive": inductive,
        "inductive_names": [name_of(name) for name in CLOSE_AFTER_OFFSETS],
        "best_on_few": next(name for name in comparison.ranked("raw", "few") if name in LOSSES),
        "best_after_offsets": next(name for name in comparison.ranked("inductive") if name in LOSSES),
        "most_accurate_balanced": max(comparison.mean(name, "raw", "accuracy") for name in balanced),
        "slopes": [decimal(slope, 2) for slope in slopes.values()],
        "name_of": name_of,
    }
