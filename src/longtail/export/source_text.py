"""Text of generated code: the comment at its head, numbers, names, and wrapped lines."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from longtail import __version__
from longtail.repair import Fix

WIDTH = 100


def heading(fix: Fix, source: str, mark: str, *about: str) -> str:
    """The comment at the head of the code.

    Each text from the fix (class names may come from anywhere) is on one line and has no invisible characters, so that
    it can't end the comment. The first two lines have none of it, since Python looks for an encoding there.

    Args:
        fix: to be served.
        source: the name of its file.
        mark: what starts a comment, such as "#".
        about: lines on how the code is called.
    """
    evidence = json.dumps(_rounded(dict(fix.evidence)), ensure_ascii=False, default=str)
    lines = [
        f"Made by longtail {__version__} (longtail export); change the fix, not this file.",
        *about,
        f"From {source}: {fix.method}; metric: {fix.metric}; takes {fix.takes}.",
        f"Classes in order: {listed(fix.class_names, most=20)}",
        f"Evidence: {evidence}",
    ]
    return "".join(f"{mark} {visible(line)}\n" for line in lines)


def number(value: float) -> str:
    """The shortest decimal that reads back as the same float64; it has a point or an exponent."""
    return repr(float(value))


def numbers(values: Iterable[float]) -> list[str]:
    """Each as `number` writes it."""
    return [number(value) for value in values]


def visible(text: str) -> str:
    r"""The text, with all characters escaped that are not printable, such as control characters.

    Example:
        >>> print(visible("Löwe\n\u202eflow"))
        Löwe\n\u202eflow
    """
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def quoted(name: str) -> str:
    r"""A string of JSON and JavaScript.

    Example:
        >>> print(quoted('a "b"\u2028'))
        "a \"b\"\u2028"
    """
    return '"' + "".join(visible(c) if c not in '"\\' else f"\\{c}" for c in name) + '"'


def wrapped(items: Iterable[str], indent: str = "    ") -> str:
    """Items with commas, wrapped into indented lines of at most `WIDTH` characters (more for a longer item)."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) + 2 <= WIDTH:
            lines[-1] += f" {item},"
        else:
            lines.append(f"{indent}{item},")
    return "\n".join(lines)


def listed(names: Sequence[str], most: int = 10) -> str:
    """The first names, and how many there are if there are more.

    Example:
        >>> listed(["cat", "lynx", "puma"], most=2)
        'cat, lynx, … (3 in all)'
    """
    shown = ", ".join(map(visible, names[:most]))
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def check_finite(fix: Fix) -> None:
    """Raise if a fix, made in Python, has numbers that can't be written in all languages.

    Raises:
        ValueError: a value that is not finite.
    """
    parts: dict[str, Any] = {
        "offset": fix.offset,
        "temperature": fix.temperature,
        "probability_offset": fix.probability_offset,
        "cost": 0.0 if fix.cost is None else fix.cost,
    }
    for name, values in parts.items():
        if not np.isfinite(values).all():
            raise ValueError(f"`fix` must hold finite numbers to be exported. Its {name} has others.")


def _rounded(value: Any) -> Any:
    """Evidence with floats rounded for reading."""
    if isinstance(value, dict):
        return {str(key): _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return round(value, 4) if isinstance(value, float) else value
