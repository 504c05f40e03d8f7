"""Class names given by the user."""

import os
from collections.abc import Sequence
from pathlib import Path

from longtail.arguments import refuse_unordered
from longtail.data.text_file import read_text
from longtail.repair.by_name import ClassIndex
from longtail.repair.reading.json_file import read_json


def class_list(given: Sequence[object] | str | os.PathLike[str]) -> tuple[str, ...]:
    """Class names (C,) from a sequence, a comma-separated text, or a file with one name per line or a JSON list.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: fewer than two names, an empty or a repeated name.
        TypeError: names in no order.

    Example:
        >>> class_list("cat, lynx"), class_list([1, 2])
        (('cat', 'lynx'), ('1', '2'))
    """
    refuse_unordered(given)
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        if os.path.isfile(path):  # noqa: PTH113, a hundred names are too long for Path.is_file
            names: Sequence[object] = _of_file(path)
        elif isinstance(given, str) and "," in given:
            names = [name.strip() for name in given.split(",")]
        else:
            raise FileNotFoundError(
                f"`class_names` must be names separated by commas, or a file that exists. Got {given}."
            )
    else:
        names = [name.decode() if isinstance(name, bytes) else name for name in given]
    if len(names) < 2:
        raise ValueError(f"`class_names` must hold at least two names. Got {len(names)}.")
    return ClassIndex(names).names


def _of_file(path: Path) -> Sequence[object]:
    if path.suffix.lower() != ".json":
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    content = read_json(path)
    if not isinstance(content, list):
        raise ValueError(f"`class_names` must be a list of names. Got {path} with {type(content).__name__}.")
    return content
