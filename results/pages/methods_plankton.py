"""Every loss on plankton."""

import json
from pathlib import Path
from typing import Any

from pages.comparison import Comparison
from pages.environment import environment_of
from pages.formatting import decimal
from pages.names import name_of

CLOSE_AFTER_OFFSETS = ("ce", "focal", "ldam", "eql", "eql-v2", "seesaw")


def gala_slopes(content: dict[str, Any]) -> list[float]:
    """Of log θ over log n, one for each seed."""
    if "gala_theta_slopes" in content:
        return content["gala_theta_slopes"]
    return [run["result"]["theta_slope"] for run in content["runs"] if run["method"] == "gala"]


def values(results: Path) -> dict[str, Any]:
    content = json.loads((results / "methods-plankton.json").read_text())
    comparison = Comparison(content)
    raw = {name: comparison.mean(name) for name in comparison.methods}
    inductive = [comparison.mean(name, "inductive") for name in CLOSE_AFTER_OFFSETS]
    balanced = [name for name, mean in raw.items() if mean > 45]
    return {
        "c": comparison,
        "counts": comparison.class_counts,
        "environment": environment_of(comparison.versions),
        "raw": raw,
        "inductive": inductive,
        "inductive_names": [name_of(name) for name in CLOSE_AFTER_OFFSETS],
        "best_on_few": comparison.ranked("raw", "few")[0],
        "best_after_offsets": comparison.ranked("inductive")[0],
        "most_accurate_balanced": max(comparison.mean(name, "raw", "accuracy") for name in balanced),
        "slopes": [decimal(slope, 2) for slope in gala_slopes(content)],
        "name_of": name_of,
    }
