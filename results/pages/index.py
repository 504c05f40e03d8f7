"""The numbers of results/README.md: what another processor changes."""

from pathlib import Path
from typing import Any

from pages import digits, methods_digits


def values(results: Path) -> dict[str, Any]:
    methods = methods_digits.values(results)
    both: methods_digits.TwoProcessors = methods["both"]
    return {
        "both": both,
        "seeds": methods["c"].seeds,
        "ce": [f"{comparison.mean('ce'):.1f}" for comparison in both.comparisons],
        "largest_change": digits.values(results)["largest_change"],
    }
