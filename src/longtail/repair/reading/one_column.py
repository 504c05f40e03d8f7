"""Tables of two classes with one column of scores, those of the second class."""

from collections.abc import Sequence

from longtail.data.class_names import as_text
from longtail.repair.by_name import listed


def of_two_classes(
    numeric: Sequence[str],
    columns: Sequence[str],
    every: Sequence[str],
    wanted: Sequence[str] | None,
    known: Sequence[set[str]],
    where: str,
    notes: list[str],
) -> tuple[str, tuple[str, str]] | None:
    """The column with the scores of the second class, and both class names; None if there is no such column.

    Args:
        numeric: numeric columns without the usual name of another role.
        columns: all columns that may hold scores.
        every: all columns of the table. If both classes have one, neither column stands for both classes.
        wanted: the class names in order, if given. The column is then the one named like the second class, or else
            the only numeric column.
        known: the spellings of each class in labels or counts. If there are two classes and a column is named like
            one of them, it holds the scores of that class.
        where: name of the table in messages.
        notes: a note on how the column is read is appended here.

    Example:
        >>> of_two_classes(["score"], ["score"], ["score", "label"], ("no", "yes"), [{"no"}, {"yes"}], "the table", [])
        ('score', ('no', 'yes'))
    """
    found = None
    if wanted is not None and len(wanted) == 2 and as_text(wanted[0]) not in map(as_text, every):
        named = [name for name in columns if as_text(name) == as_text(wanted[1])] or list(numeric)
        found = (named[0], (wanted[0], wanted[1])) if len(named) == 1 else None
    elif wanted is None and len(known) == 2:
        called = [[name for name in every if as_text(name) in spelled] for spelled in known]
        if sorted(map(len, called)) == [0, 1] and [*called[0], *called[1]][0] in columns:
            second = 0 if called[0] else 1
            found = (called[second][0], (min(known[1 - second], key=len), called[second][0]))
    if found is not None:
        first, second_name = found[1]
        notes.append(
            f"{where}: the column {found[0]!r} is read as the scores of the second of {listed([first, second_name])}."
        )
    return found
