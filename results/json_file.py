"""JSON files that are written whole or not at all."""

from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.whole_file import write_whole


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write what `to_json` takes, and a new line."""
    with write_whole(path) as file:
        file.write((to_json(content, indent=indent) + "\n").encode())
