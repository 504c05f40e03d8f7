"""What generated code has in common: the comment at its head, numbers, names, and lines that are not too long."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from longtail import __version__
from longtail.repair import Fix

WIDTH = 100


def heading(fix: Fix, source: str, mark: str, *about: str) -> str:
    """The comment at the head of the code.

    Text from the fix (its names may come from anywhere) stands on one line each and has no invisible characters, so
    it can't end the comment. The first two lines hold none of it: there Python looks for an encoding.

    Args:
        fix: what is served.
        source: the name of its file.
        mark: what starts a comment, such as "#".
        about: lines on how the code is called.
    """
    evidence = json.dumps(_rounded(dict(fix.evidence)), ensure_ascii=False, default=str)
    lines = [
        f"Made by longtail {__version__} (longtail export); change the fix, not this file.",
        *about,
        f"From {source}: {fix.method}; metric: {fix.metric}; takes {fix.takes}.",
        f"Classes in order: {_listed(fix.class_names)}",
        f"Evidence: {evidence}",
    ]
    return "".join(f"{mark} {visible(line)}\n" for line in lines)


def number(value: float) -> str:
    """The shortest decimal that reads back as the same float64; always with an exponent or a point."""
    return repr(float(value))


def numbers(values: Iterable[float]) -> list[str]:
    """Each as `number` writes it."""
    return [number(value) for value in values]


def visible(text: str) -> str:
    r"""The text with every character escaped that a terminal or an editor acts on instead of showing it.

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
    """Items with commas between them, on indented lines of at most `WIDTH` where an item is not longer."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) + 2 <= WIDTH:
            lines[-1] += f" {item},"
        else:
            lines.append(f"{indent}{item},")
    return "\n".join(lines)


def check_finite(fix: Fix) -> None:
    """Refuse a fix made in Python whose numbers no language writes.

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
    """Evidence as it is read, not computed with."""
    if isinstance(value, dict):
        return {str(key): _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return round(value, 4) if isinstance(value, float) else value


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:20])
    return shown if len(names) <= 20 else f"{shown}, … ({len(names)} in all)"
