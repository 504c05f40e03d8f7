"""A JSON object in a file of its own: written whole, read back or found to be damaged."""

import json
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.whole_file import write_whole


def save_json(path: Path, content: Any) -> None:
    """Write a mapping of plain values whole; a number that is not finite becomes `null`."""
    text = to_json(content, indent=1) + "\n"
    with write_whole(path) as file:
        file.write(text.encode())


def load_json(path: Path) -> dict[str, Any] | None:
    """The object in the file; `None` where there is no file.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        return None
    content = parsed(path.read_text(errors="replace"))
    if content is None:
        raise damaged(path)
    return content


def parsed(text: str) -> dict[str, Any] | None:
    """The object that the text is; `None` where it is none."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def damaged(path: Path) -> ValueError:
    """The error of a file that can't be read."""
    return ValueError(f"{path} is damaged: it can't be read as what its name says.")
