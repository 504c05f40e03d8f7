"""Methods on photographs of fish."""

from pathlib import Path
from typing import Any

from pages.natural_tails import values_of


def values(results: Path) -> dict[str, Any]:
    return values_of(results, "fish")
