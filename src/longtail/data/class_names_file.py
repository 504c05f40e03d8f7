"""Class names in a text file beside the data: one per line, in the order of the class indices."""

from pathlib import Path

from longtail.data.raw_part import PART_NAMES
from longtail.data.text_file import read_text

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
    names = [line.strip() for line in read_text(file).rstrip().splitlines()]
    if not all(names) or not names:
        place = f"Line {names.index('') + 1} is empty" if names else "It is empty"
        raise ValueError(f"{file} must hold the name of a class on each line. {place}.")
    return tuple(names)
