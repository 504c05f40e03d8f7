"""Finding score columns: by known class names, by numbers 0 to C − 1, with a prefix, by a pattern, or from a list."""

import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from longtail.data.class_names import as_text
from longtail.repair.by_name import listed, nearest

COUNTED = re.compile(r"(.*\D)(\d{1,9})")


def certified(
    names: Sequence[str], numeric: Sequence[str], known: Sequence[set[str]], where: str, notes: list[str]
) -> dict[str, str]:
    """The class name for each column that certainly holds the scores of a class.

    Args:
        names: columns that may hold scores.
        numeric: the numeric ones among them, without the usual names of other roles.
        known: the spellings of each class that is known from labels or training counts.
        where: name of the table in messages.
        notes: a note is appended if a prefix is removed.

    Example:
        >>> certified(["p_cat", "p_dog", "fold"], [], [{"cat"}, {"dog"}], "the table", [])
        {'p_cat': 'cat', 'p_dog': 'dog'}
    """
    flat = set().union(*known)
    direct = {name: name for name in names if as_text(name) in flat}
    if _is_counting(numeric):
        return {name: name for name in numeric}
    if direct:
        return direct
    prefix = _prefix(names, numeric, known, where)
    if prefix is None:
        return {}
    notes.append(f"{where}: the prefix {prefix!r} is removed from the class names.")
    under = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix) and name != prefix}
    counting = _is_counting(list(under.values()))
    return {name: own for name, own in under.items() if counting or own in flat}


def matching(names: Sequence[str], pattern: str, where: str) -> dict[str, str]:
    """The columns that match a pattern with one `*`, and the part of each name that matches `*`.

    Raises:
        ValueError: the pattern does not have exactly one `*`, or matches no column.

    Example:
        >>> matching(["prob_cat", "prob_dog", "fold"], "prob_*", "the table")
        {'prob_cat': 'cat', 'prob_dog': 'dog'}
    """
    if pattern.count("*") != 1:
        raise ValueError(f"--classes must be a pattern with one *, such as 'prob_*'. Got {pattern!r}.")
    start, _, end = pattern.partition("*")
    shortest = len(start) + len(end)
    found = {
        name: name[len(start) : len(name) - len(end)]
        for name in names
        if name.startswith(start) and name.endswith(end) and len(name) > shortest
    }
    if not found:
        raise ValueError(f"--classes must match columns of {where}. {pattern!r} matches none of {listed(names)}.")
    return found


def of_names(wanted: Sequence[str], found: dict[str, str], where: str, notes: list[str]) -> dict[str, str]:
    """The columns of the given classes, in their order; with a prefix if no column has the name of a class.

    Args:
        wanted: class names.
        found: candidate columns and their class names.
        where: name of the table in messages.
        notes: a note is appended if a prefix is removed.

    Raises:
        ValueError: a class without a column.
    """
    columns = {as_text(name): column for column, name in found.items()}
    if not any(as_text(name) in columns for name in wanted):
        under = certified(list(found), [], [{str(as_text(name))} for name in wanted], where, notes)
        columns = {as_text(name): column for column, name in under.items()}
    missing = [name for name in wanted if as_text(name) not in columns]
    if missing:
        pattern = _pattern(wanted, found)
        raise ValueError(
            f"--class-names must name columns of {where}. There is no column for {listed(missing)}; most similar to "
            f"{missing[0]!r}: {nearest(missing[0], found)}."
            + (f" Pass --classes {shlex.quote(pattern)}." if pattern else "")
        )
    return {columns[as_text(name)]: name for name in wanted}


def _pattern(wanted: Sequence[str], columns: Collection[str]) -> str | None:
    """The pattern whose columns have all wanted names in place of its `*`."""
    for column in columns:
        for start, found, end in (column.partition(wanted[0]), column.rpartition(wanted[0])):
            if found and all(f"{start}{name}{end}" in columns for name in wanted):
                return f"{start}*{end}"
    return None


def is_ignored(name: str, patterns: Iterable[str]) -> bool:
    """Whether a column matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_counting(names: Sequence[str]) -> bool:
    """Whether names are 0 to C − 1, or 1 to C, in any order."""
    if len(names) < 2 or not all(name.isascii() and name.isdigit() for name in names):
        return False
    return any({str(first + place) for place in range(len(names))} == set(names) for first in (0, 1))


def _prefix(names: Sequence[str], numeric: Sequence[str], known: Sequence[set[str]], where: str) -> str | None:
    """The common prefix of all known class names, or else of numbers 0 to C − 1 or 1 to C."""
    flat = set().union(*known)
    ends: dict[str, set[str]] = {}
    for name in names:
        for cut in range(1, len(name)):
            if name[cut:] in flat and not name[cut - 1].isdigit():  # the 1 of 01 is not class 1
                ends.setdefault(name[:cut], set()).add(name[cut:])
    found = [prefix for prefix, own in ends.items() if len(own) > 1 and all(own & spelled for spelled in known)]
    if not found:
        counted: dict[str, list[str]] = {}
        for match in filter(None, map(COUNTED.fullmatch, numeric)):
            counted.setdefault(match[1], []).append(match[2])
        found = [prefix for prefix, own in counted.items() if _is_counting(own)]
    if len(found) > 1:
        raise ValueError(
            f"{where} has several sets of columns that may be the scores: {listed(p + '*' for p in found)}. Choose one "
            f"with --classes '{found[0]}*'."
        )
    return found[0] if found else None
