"""Class names in a text file beside the data: one per line, in the order of the class indices."""

import re
from collections.abc import Sequence
from pathlib import Path

from longtail.data.raw_part import PART_NAMES
from longtail.data.text_file import read_text

LINE_END = re.compile(r"\r\n|\r|\n")
NUMBERED = re.compile(r"(\d{1,9})[\s.:,;)-]")
NAMES = ("classnames.txt", "class_names.txt", "classes.txt")


def class_names_file(folder: Path) -> Path | None:
    """The file of class names in a folder or, for the folder of a part, in the one above; `None` if there is none."""
    folders = [folder, folder.absolute().parent] if folder.absolute().name.lower() in PART_NAMES else [folder]
    return next((file for place in folders for name in NAMES if (file := place / name).is_file()), None)


def read_class_names(file: Path) -> tuple[str, ...]:
    r"""The names in a file.

    Raises:
        ValueError: it holds none, or an empty line between two of them.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "classnames.txt"
        >>> _ = file.write_text("great white shark\ntench\n")
        >>> read_class_names(file)
        ('great white shark', 'tench')
    """
    text = read_text(file).rstrip()  # `splitlines` would also break a line at a form feed or U+2028
    names = [line.strip() for line in LINE_END.split(text)] if text else []
    if not all(names) or not names:
        place = f"Line {names.index('') + 1} is empty" if names else "It is empty"
        raise ValueError(f"{file} must hold the name of a class on each line. {place}.")
    return tuple(names)


def refuse_numbers_from_1(names: Sequence[str], file: Path) -> None:
    """Raise for names of indices such as `1 tench`, whose place counted from 0 is not their number.

    Raises:
        ValueError: says how to write the file.
    """
    numbers = [NUMBERED.match(name) for name in names]
    if len(names) > 1 and all(found and int(found[1]) == number for number, found in enumerate(numbers, 1)):
        raise ValueError(
            f"{file} must hold the name of a class on each line, that of the label 0 on the first. It numbers them "
            f"from 1: {names[0]!r}. Number them from 0 if the labels are, else add a first line for the label 0; or "
            "write the names as the labels."
        )
