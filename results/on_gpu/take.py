"""Takes what a GPU has computed into `results/runs`."""

import json
import re
from pathlib import Path

from longtail.whole_file import write_whole

NAME = re.compile(r"[A-Za-z0-9._-]+")


def take(folder: Path, runs: Path) -> tuple[list[str], list[str]]:
    """Write `runs`/NAME.json for every run of FOLDER/runs.json; nothing if one of them can't be written.

    Returns:
        The names that were written, and those that were there already.

    Raises:
        FileNotFoundError: the folder has no runs.json.
        ValueError: it is damaged, a name is no file name, or another result is there.
    """
    file = folder / "runs.json"
    if not file.is_file():
        raise FileNotFoundError(f"--take must name a folder that gpu.py wrote. {folder} has no runs.json.")
    try:
        taken = json.loads(file.read_text())
        names = list(taken.items())
    except (ValueError, AttributeError):
        raise ValueError(f"{file} must hold runs by name. It is damaged.") from None
    new: list[str] = []
    known: list[str] = []
    for name, content in names:
        if not NAME.fullmatch(name) or name.startswith("."):
            raise ValueError(f"{file} must hold names of letters, digits, '.', '_' and '-'. Got {name!r}.")
        (known if _is_known(runs / f"{name}.json", content) else new).append(name)
    runs.mkdir(parents=True, exist_ok=True)
    for name in new:
        with write_whole(runs / f"{name}.json") as written:
            written.write((json.dumps(taken[name]) + "\n").encode())
    return new, known


def _is_known(path: Path, content: object) -> bool:
    if not path.exists():
        return False
    if json.loads(path.read_text()) != content:
        raise ValueError(f"{path} must not hold another result. It does: delete or rename it, or leave this one out.")
    return True
