"""Methods on images of plankton."""

from pathlib import Path
from typing import Any

from pages.natural_tails import values_of


def values(results: Path) -> dict[str, Any]:
    return values_of(results, "plankton")
