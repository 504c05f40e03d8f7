"""Rules for the fields of JSON files, checked where they are read: a damaged file is named before it is used."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LARGEST = 1e300
Holds = Callable[[object], bool]
Rules = Mapping[str, tuple[str, Holds]]
"""For each field what it must be, in words and as a function."""


def check_fields(content: Mapping[str, Any], rules: Rules, path: Path) -> None:
    """Raise unless the fields that are there follow the rules; fields without a rule are not looked at.

    Raises:
        ValueError: names the file and the field.
    """
    for name, (rule, holds) in rules.items():
        if name in content and not holds(content[name]):
            raise damaged_field(path, name, rule, content[name])


def damaged_field(path: Path, name: str, rule: str, got: object) -> ValueError:
    """The error of a field that does not follow its rule."""
    text = repr(got)
    return ValueError(
        f"{path} is damaged: its `{name}` must {rule}. Got {text[:80]}{'…' if len(text) > 80 else ''}. "
        "Restore the file, or train the run again."
    )


def is_text(value: object) -> bool:
    """Whether it is text."""
    return isinstance(value, str)


def is_number(value: object) -> bool:
    """Whether it is a number that a float holds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST


def is_count(value: object) -> bool:
    """Whether it is a whole number of at least 0, in 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def is_object(value: object) -> bool:
    """Whether it is an object."""
    return isinstance(value, dict)


def is_list(entry: Holds) -> Holds:
    """Whether it is a list whose entries follow a rule."""
    return lambda value: isinstance(value, (list, tuple)) and all(map(entry, value))


def is_mapping(entry: Holds) -> Holds:
    """Whether it is an object whose values follow a rule."""
    return lambda value: isinstance(value, dict) and all(map(entry, value.values()))


def or_null(holds: Holds) -> Holds:
    """Whether it is null, or follows a rule."""
    return lambda value: value is None or holds(value)
