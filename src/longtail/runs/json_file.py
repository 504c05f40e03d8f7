"""A JSON object in a file of its own: written whole, read back or found to be damaged."""

import json
from pathlib import Path
from typing import Any, NoReturn

from longtail.plain_json import to_json
from longtail.runs.ordinary_file import ordinary
from longtail.whole_file import write_whole


class StoredObject(dict[str, Any]):
    """A JSON object of a file; asking for an entry that is missing is an error that names the file.

    Attributes:
        path: of the file.
    """

    path: Path

    def __missing__(self, name: str) -> NoReturn:
        raise ValueError(f"{self.path} is damaged: it must have `{name}`. Restore the file, or train the run again.")


def save_json(path: Path, content: Any) -> None:
    """Write a mapping of plain values whole; a number that is not finite becomes `null`."""
    text = to_json(content, indent=1) + "\n"
    with write_whole(ordinary(path)) as file:
        file.write(text.encode())


def load_json(path: Path) -> StoredObject | None:
    """The object in the file; `None` where there is no file.

    Raises:
        ValueError: the file is damaged, or no ordinary file.
    """
    if not ordinary(path).exists():
        return None
    content = parsed(path.read_text(errors="replace"))
    if content is None:
        raise damaged(path)
    return stored(content, path)


def stored(content: dict[str, Any], path: Path) -> StoredObject:
    """The object, as one of that file."""
    found = StoredObject(content)
    found.path = path
    return found


def parsed(text: str) -> dict[str, Any] | None:
    """The object that the text is; `None` where it is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def damaged(path: Path) -> ValueError:
    """The error of a file that can't be read."""
    return ValueError(
        f"{path} is damaged: it can't be read as what its name says. Restore the file, or train the run again."
    )
