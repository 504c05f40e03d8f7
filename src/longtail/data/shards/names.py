"""What names of files say: the part, and how many files it has (`train-00000-of-00002.parquet`)."""

import re
from collections.abc import Sequence
from pathlib import Path

from longtail.data.raw_part import PART_NAMES
from longtail.data.shards.tar_names import is_tar_name, unpacked_name

WORD = re.compile(r"[A-Za-z]+")
NUMBERED = re.compile(r"(.*?)(\d+)(\.[^\d]*)")
END = re.compile(r"[-_.\d]+$")
SHARD = re.compile(r"(.*?)-?(\d+)-of-(\d+)(?!\d)")


def part_of(name: str) -> str:
    """The part that the first word that names one names, or an empty text.

    Example:
        >>> part_of("train-00000-of-00002.parquet"), part_of("fish_valid.parquet"), part_of("0000.parquet")
        ('train', 'validation', '')
    """
    words = (word.lower() for word in WORD.findall(Path(name).stem))
    return next((PART_NAMES[word] for word in words if word in PART_NAMES), "")


def name_of_shards(name: str) -> str:
    """What the names of the files of one part share.

    Example:
        >>> name_of_shards("train-00000-of-00002-3a5f.parquet"), name_of_shards("0000.parquet")
        ('train', '')
    """
    found = SHARD.match(name)
    return END.sub("", Path(name).stem) if found is None else found[1]


def check_complete(files: Sequence[Path]) -> None:
    """Raise if the names count files that are not there, or count them differently, or if a number is left out.

    A compressed tar file counts as what is in it; that it can't be read is said by who reads it.

    Raises:
        ValueError: files are missing, or are those of two versions.
    """
    files = list(dict.fromkeys(map(_unpacked, files)))
    _check_numbers(files)
    counted: dict[tuple[Path, str], tuple[str, dict[int, Path]]] = {}
    for file in files:
        found = SHARD.match(file.name)
        if found is None:
            continue
        number, total = int(found[2]), found[3]
        known, numbers = counted.setdefault((file.parent, found[1]), (total, {}))
        if known != total or number in numbers:
            other = numbers.get(number) or next(iter(numbers.values()))
            raise ValueError(
                f"{file.parent} must hold one version of its files. {other.name} and {file.name} are of "
                "two: remove one."
            )
        numbers[number] = file
    for (folder, prefix), (total, numbers) in counted.items():
        start = 0 if 0 in numbers or int(total) not in numbers else 1
        missing = next((number for number in range(start, start + int(total)) if number not in numbers), None)
        if missing is not None:
            suffix = next(iter(numbers.values())).suffix
            raise ValueError(
                f"{folder} must hold all {int(total):,} files that their names count. Got {len(numbers):,}: "
                f"{prefix}-{missing:0{len(total)}}-of-{total}{suffix} is missing. Download it, or give the files that "
                "are there names without a count."
            )


def _unpacked(file: Path) -> Path:
    return file.with_name(unpacked_name(file.name)) if is_tar_name(file.name) else file


def _check_numbers(files: Sequence[Path]) -> None:
    """Files that are numbered from 0 or 1 in their folder are all there; other numbers may be years."""
    numbered: dict[tuple[Path, str, str], dict[int, Path]] = {}
    for file in files:
        if (found := NUMBERED.fullmatch(file.name)) and not SHARD.match(file.name):
            numbered.setdefault((file.parent, found[1], found[3]), {})[int(found[2])] = file
    for (folder, prefix, suffix), numbers in numbered.items():
        start = 0 if 0 in numbers else 1
        missing = next((number for number in range(start, max(numbers)) if number not in numbers), None)
        if start in numbers and missing is not None:
            digits = min(len(file.name) for file in numbers.values()) - len(prefix) - len(suffix)
            raise ValueError(
                f"{folder} must hold the files of all numbers. {prefix}{missing:0{digits}}{suffix} is missing. "
                "Download it, or number those that are there without a gap."
            )
