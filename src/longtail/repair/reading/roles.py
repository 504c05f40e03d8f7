"""Roles of the columns of a table: scores, label, weight, group, identifier."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from longtail.repair.by_name import listed, nearest
from longtail.repair.reading.class_columns import certified, is_ignored, matching, of_names
from longtail.repair.reading.columns import Table
from longtail.repair.reading.label_column import find_label, known_classes
from longtail.repair.reading.named_scores import unread_scores
from longtail.repair.reading.one_column import of_two_classes
from longtail.repair.reading.options import Reading
from longtail.repair.reading.other_columns import find_group, find_weight, leave_out
from longtail.repair.reading.usual_names import GROUPS, IDS, LABELS, SCORES, UNNAMED, WEIGHTS

OTHERS = {*LABELS, *WEIGHTS, *GROUPS, *IDS}


@dataclass(frozen=True)
class Roles:
    """The score columns and their classes, in order, and the other columns that are used.

    One score column holds the scores of the second of two classes.
    """

    scores: tuple[str, ...]
    classes: tuple[str, ...]
    label: str | None
    weight: str | None
    group: str | None


def find_roles(table: Table, reading: Reading, notes: list[str]) -> Roles:
    """Find the role of each column.

    A column holds scores if its name is among the labels, the names of the training counts or `class_names`, if the
    numeric columns are called 0 to C − 1 or 1 to C, or if it matches `classes`. A common prefix is removed. Class names
    take precedence over the usual names of other columns: a class may be called `weight`.

    Raises:
        ValueError: a column given by an option is missing, several columns may be the label, or a numeric column has
            no role.
    """
    where = table.rows.where
    _check_options(table, reading)
    label = find_label([name for name in table.names if not is_ignored(name, reading.ignore)], table, reading)
    taken = {label, reading.weight, reading.group, reading.id}
    free = [name for name in table.names if name not in taken and not is_ignored(name, reading.ignore)]
    numeric = [
        name
        for name in free
        if name.lower() not in OTHERS and not UNNAMED.fullmatch(name) and table.kind(name) == "numbers"
    ]
    known = known_classes(label, table, reading)
    one = (
        of_two_classes(numeric, free, table.names, reading.class_names, known, where, notes)
        if reading.classes is None
        else None
    )
    classes = {one[0]: one[0]} if one else _classes(free, numeric, known, reading, where, notes)
    rest = [name for name in free if name not in classes]
    named = reading.class_names is not None or reading.classes is not None
    weight = reading.weight or find_weight(rest, list(classes), table, notes, classes_are_named=named)
    group = reading.group or find_group(rest, list(classes), table, notes)
    rest = [name for name in rest if name not in (weight, group)]
    leave_out(rest, classes, known, table, notes, classes_are_named=named)
    if len(classes) < 2 and one is None:
        raise ValueError(_too_few(classes, table))
    if label is not None and reading.label is None:
        notes.append(f"{where}: labels are read from the column {label!r} (--label names another).")
    return Roles(tuple(classes), tuple(classes.values()) if one is None else one[1], label, weight, group)


def _check_options(table: Table, reading: Reading) -> None:
    where, label = table.rows.where, None if reading.labels is not None else reading.label
    for option, name in (("label", label), ("weight", reading.weight), ("group", reading.group), ("id", reading.id)):
        if name is not None and name not in table.names:
            raise ValueError(
                f"--{option} must be a column of {where}. Got {name!r}; most similar: {nearest(name, table.names)}."
            )
    for pattern in reading.ignore:
        if not any(is_ignored(name, [pattern]) for name in table.names):
            raise ValueError(
                f"--ignore must match columns of {where}. Got {pattern!r}; most similar: "
                f"{nearest(pattern, table.names)}."
            )


def _too_few(classes: Iterable[str], table: Table) -> str:
    by_name = unread_scores(table.frame)
    if by_name:
        return (
            f"{table.rows.where} must have its scores by class name in a column called {', '.join(SCORES[:-1])} or "
            f"{SCORES[-1]}. Got {listed(by_name)}: rename it, table.rename(columns={{{by_name[0]!r}: 'scores'}})."
        )
    return (
        f"{table.rows.where} must have a column of scores for each of at least two classes. Got "
        f"{listed(classes) or 'none'} among the columns {listed(table.names)}. List the classes with "
        "--class-names a,b,c or --classes 'prob_*'."
    )


def _classes(
    free: Sequence[str],
    numeric: Sequence[str],
    known: Sequence[set[str]],
    reading: Reading,
    where: str,
    notes: list[str],
) -> dict[str, str]:
    """The class of each score column."""
    found = {name: name for name in free} if reading.classes is None else matching(free, reading.classes, where)
    if reading.class_names is not None:
        return of_names(reading.class_names, found, where, notes)
    return certified(free, numeric, known, where, notes) if reading.classes is None else found
