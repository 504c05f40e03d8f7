"""Lists of the tar shards of a data set, which publishers put beside them."""

import json
from collections.abc import Sequence
from pathlib import Path

from longtail.data.first_of_many import first

NUMBER = "nshards.txt"
"""The number of shards in its folder (clip_benchmark)."""
LISTS = ("_info.json", "info.json")
"""The names of the shards of each part, in the folder of the data set (timm)."""


def check_listed(files: Sequence[Path], folder: Path) -> None:
    """Raise if listed shards are missing. The list of a part of which there is no shard at all is ignored.

    Args:
        files: the shards of a data set.
        folder: of the data set.

    Raises:
        ValueError: shards are missing.
    """
    for place in sorted({file.parent for file in files}):
        listed = _number(place / NUMBER)
        here = sum(file.parent == place for file in files)
        if here < listed:
            raise ValueError(
                f"{place} must hold {listed:,} tar files, as {NUMBER} says. Got {here:,}. Download the others, or "
                f"correct {NUMBER}."
            )
    names = {file.name for file in files}
    for file in (folder / name for name in LISTS):
        for listed_names in _lists(file):
            missing = [name for name in listed_names if name not in names]
            if missing and len(missing) < len(listed_names):
                raise ValueError(
                    f"{folder} must hold the tar files that {file.name} lists. Missing: {first(missing)}. Download "
                    f"them, or remove {file.name}."
                )


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def _lists(file: Path) -> list[list[str]]:
    """The names of the files of each part; an empty list if the file has another form."""
    try:
        parts = json.loads(file.read_text())["splits"].values()
        return [[Path(str(name)).name for name in part["filenames"]] for part in parts]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
