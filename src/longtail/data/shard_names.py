"""What the names of Parquet files say: the part, and how many files it has (`train-00000-of-00002.parquet`)."""

import re
from collections.abc import Sequence
from pathlib import Path

from longtail.data.raw_part import PART_NAMES

WORD = re.compile(r"[A-Za-z]+")
SHARD = re.compile(r"(.*?)-?(\d+)-of-(\d+)(?!\d)")


def part_of(name: str) -> str:
    """The part that the first word that names one names, or an empty text.

    Example:
        >>> part_of("train-00000-of-00002.parquet"), part_of("fish_valid.parquet"), part_of("0000.parquet")
        ('train', 'validation', '')
    """
    words = (word.lower() for word in WORD.findall(Path(name).stem))
    return next((PART_NAMES[word] for word in words if word in PART_NAMES), "")


def check_complete(files: Sequence[Path]) -> None:
    """Raise if the names count files that are not there, or count them differently.

    Raises:
        ValueError: files are missing, or are those of two versions.
    """
    counted: dict[str, tuple[str, dict[int, Path]]] = {}
    for file in files:
        found = SHARD.match(file.name)
        if found is None:
            continue
        prefix, number, total = found[1], int(found[2]), found[3]
        known, numbers = counted.setdefault(prefix, (total, {}))
        if known != total or number in numbers:
            other = numbers.get(number) or next(iter(numbers.values()))
            raise ValueError(
                f"{file.parent} must hold one version of its files. {other.name} and {file.name} are of "
                "two: remove one."
            )
        numbers[number] = file
    for prefix, (total, numbers) in counted.items():
        start = 0 if 0 in numbers or int(total) not in numbers else 1
        missing = next((number for number in range(start, start + int(total)) if number not in numbers), None)
        if missing is not None:
            raise ValueError(
                f"{files[0].parent} must hold all {int(total):,} files that their names count. Got {len(numbers):,}: "
                f"{prefix}-{missing:0{len(total)}}-of-{total}.parquet is missing. Download it, or give the files that "
                "are there names without a count."
            )
