"""Columns without scores: sample weights, groups and identifiers by their usual names, and unused columns."""

import shlex
from collections.abc import Mapping, Sequence

import numpy as np

from longtail.printable import printable
from longtail.repair.by_name import listed
from longtail.repair.reading.columns import Table
from longtail.repair.reading.usual_names import GROUPS, IDS, UNNAMED, WEIGHTS

FEW_VALUES = 5
SHOWN = 12
OR_A_PATTERN = "or a pattern, such as --classes 'prob_*'"


def find_weight(
    names: Sequence[str], classes: Sequence[str], table: Table, notes: list[str], *, classes_are_named: bool
) -> str | None:
    """The column with a usual name for sample weights.

    Raises:
        ValueError: the classes were not given, and its values could also be scores: most of them differ, or some are
            not positive.
    """
    name = _usual(names, WEIGHTS, "weight", table)
    if name is None:
        return None
    values = table.numbers(name)
    distinct = len(np.unique(values))
    scattered = distinct > max(FEW_VALUES, len(values) / 2) and bool((values != np.round(values)).any())
    if not classes_are_named and (scattered or not (values > 0).all()):
        raise ValueError(_two_ways(name, "weight", "sample weights", classes, table))
    notes.append(f"{table.rows.where}: sample weights are read from the column {name!r} (--weight names another).")
    return name


def find_group(names: Sequence[str], classes: Sequence[str], table: Table, notes: list[str]) -> str | None:
    """The column with a usual name for groups.

    Raises:
        ValueError: its values are fractions, so that they could also be scores.
    """
    name = _usual(names, GROUPS, "group", table)
    if name is None:
        return None
    if _has_fractions(name, table):
        raise ValueError(_two_ways(name, "group", "groups", classes, table))
    notes.append(f"{table.rows.where}: groups are read from the column {name!r} (--group names another).")
    return name


def leave_out(
    names: Sequence[str],
    classes: Mapping[str, str],
    known: Sequence[set[str]],
    table: Table,
    notes: list[str],
    *,
    classes_are_named: bool,
) -> None:
    """Note which columns are not used.

    Args:
        names: columns that have no role so far.
        classes: score columns and their class names.
        known: the spellings of each class in labels or training counts.
        table: the table.
        notes: is appended to.
        classes_are_named: whether options say which columns hold scores.

    Raises:
        ValueError: a numeric column could hold scores, and the classes were not given.
    """
    unused = [name for name in names if not (UNNAMED.fullmatch(name) and table.kind(name) == "nothing")]
    identifiers = [name for name in unused if _is_identifier(name, table)]
    notes += [f"{table.rows.where}: the column {name!r} numbers the rows and is not used." for name in identifiers]
    unused = [name for name in unused if name not in identifiers]
    numbers = [name for name in unused if table.kind(name) == "numbers"]
    if numbers and not classes_are_named:
        raise ValueError(_which_are_these(numbers, classes, known, table))
    if unused:
        notes.append(f"{table.rows.where}: columns that are not used: {listed(unused)}.")


def _which_are_these(
    numbers: Sequence[str], classes: Mapping[str, str], known: Sequence[set[str]], table: Table
) -> str:
    several = len(numbers) > 1
    index = " An index of pandas? Write the table with index=False." if any(map(UNNAMED.fullmatch, numbers)) else ""
    return (
        f"{table.rows.where}: the column{'s' * several} {listed(numbers)} hold{'' if several else 's'} numbers, and no "
        f"label or training count has {'these names' if several else 'this name'}{_called(classes, known)}. "
        f"{'Are they classes' if several else 'Is it a class'}? Then list all classes with "
        f"{_how_to_list([*classes, *numbers], known)}. Otherwise ignore "
        f"{'them' if several else 'it'} with --ignore {_ignored(numbers)}.{index}"
    )


def _called(classes: Mapping[str, str], known: Sequence[set[str]]) -> str:
    """The names that labels and training counts have, if no column has one of them."""
    return f"; labels are called {listed(_shortest(known))}" if known and not classes else ""


def _how_to_list(columns: Sequence[str], known: Sequence[set[str]]) -> str:
    if len(columns) == 1:
        two = _as_list(sorted(_shortest(known))) if len(known) == 2 else "no,yes"
        return f"--class-names {two}, which makes it the scores of the second class ({OR_A_PATTERN})"
    start, end = _prefix(columns), _prefix([name[::-1] for name in columns])[::-1]
    names = {name.removeprefix(start).removesuffix(end) for name in columns}
    if (start or end) and (not known or names & set().union(*known)):
        return f"--classes {shlex.quote(printable(f'{start}*{end}', lines=False))}"
    return f"--class-names {_as_list(columns)} ({OR_A_PATTERN})"


def _shortest(known: Sequence[set[str]]) -> list[str]:
    return [min(spelled, key=len) for spelled in known]


def _ignored(names: Sequence[str]) -> str:
    prefix = _prefix(names)
    if len(names) > SHOWN and prefix:
        return f"'{prefix}*'"
    return _separated(names[:SHOWN])


def _prefix(names: Sequence[str]) -> str:
    """The common prefix of all names, up to its last character that is not a letter or digit."""
    first, last = min(names), max(names)
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    while same and first[same - 1].isalnum():
        same -= 1
    return first[:same] if len(names) > 1 else ""


def _usual(names: Sequence[str], usual: Sequence[str], option: str, table: Table) -> str | None:
    found = [name for name in names if name.lower() in usual]
    if len(found) > 1:
        raise ValueError(
            f"{table.rows.where} has several columns for --{option}: {listed(found)}. Choose one with "
            f"--{option} {_separated(found[:1])}, and ignore the other one with --ignore {_separated(found[1:2])}."
        )
    return found[0] if found else None


def _two_ways(name: str, option: str, what: str, classes: Sequence[str], table: Table) -> str:
    return (
        f"{table.rows.where}: the column {name!r} may hold {what} or the scores of a class with this name. Pass "
        f"--{option} {_separated([name])} for {what}; for a class, list all classes: "
        f"--class-names {_as_list([*classes, name])}."
    )


def _has_fractions(name: str, table: Table) -> bool:
    if table.kind(name) != "numbers":
        return False
    values = table.numbers(name)
    return bool((values != np.round(values)).any())


def _is_identifier(name: str, table: Table) -> bool:
    if name.lower() not in IDS and not UNNAMED.fullmatch(name):
        return False
    cells = table.cells(name)
    return None not in cells and len(set(map(str, cells))) == len(cells) and not _has_fractions(name, table)


def _as_list(names: Sequence[str]) -> str:
    """What to type after --class-names, which has no other way to hold a name with a comma than a file."""
    if len(names) > SHOWN or any("," in name for name in names):
        return "FILE, with one name per line"
    return _separated(names)


def _separated(names: Sequence[str]) -> str:
    """Names as one word of a shell."""
    return shlex.quote(",".join(printable(name, lines=False) for name in names))
