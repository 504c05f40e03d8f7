"""One column of scores for two classes: that of the second one."""

from collections.abc import Sequence

from longtail.data.class_names import as_text
from longtail.repair.by_name import listed


def of_two_classes(
    numeric: Sequence[str],
    columns: Sequence[str],
    wanted: Sequence[str] | None,
    known: Sequence[set[str]],
    where: str,
    notes: list[str],
) -> tuple[str, tuple[str, str]] | None:
    """The column of the scores of the second class, and both classes; None where there is no such thing.

    Args:
        numeric: columns of numbers that have no usual name of another role.
        columns: all columns that may be classes.
        wanted: the classes in their order, where they are given: the only column of numbers, or the one that is called
            like the second class, is meant.
        known: the spellings of each class that labels or counts name: where these are two classes and a column is
            called like one of them, its scores are meant.
        where: the table, for messages.
        notes: how it was read is added here.

    Example:
        >>> of_two_classes(["score"], ["score"], ("no", "yes"), [{"no"}, {"yes"}], "the table", [])
        ('score', ('no', 'yes'))
    """
    found = None
    if wanted is not None and len(wanted) == 2 and as_text(wanted[0]) not in map(as_text, columns):
        named = [name for name in columns if as_text(name) == as_text(wanted[1])] or list(numeric)
        found = (named[0], (wanted[0], wanted[1])) if len(named) == 1 else None
    elif wanted is None and len(known) == 2:
        called = [[name for name in columns if as_text(name) in spelled] for spelled in known]
        if sorted(map(len, called)) == [0, 1]:
            second = 0 if called[0] else 1
            found = (called[second][0], (min(known[1 - second], key=len), called[second][0]))
    if found is not None:
        first, second_name = found[1]
        notes.append(
            f"{where}: the column {found[0]!r} is read as the scores of the second of {listed([first, second_name])}."
        )
    return found
