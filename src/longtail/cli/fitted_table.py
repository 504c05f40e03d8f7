"""Tables that fit the width of the terminal: the least important columns are omitted, and numbers are not cut."""

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table

from longtail.printable import printable
from longtail.reports.outcomes import AS_IT_IS, Column

GAP = 2
ENOUGH = 20  # least width of the names in the first column, unless no column can be omitted
LEAST = 8


def fitted(columns: Sequence[Column], width: int) -> tuple[Table, list[str]]:
    """The table, and the headings of the omitted columns.

    Args:
        columns: the first holds names, which are wrapped; the others numbers.
        width: width of the terminal in cells.
    """
    kept = list(columns)
    while _least_width(kept) > width and any(column.importance for column in kept):
        kept.remove(max(kept, key=lambda column: column.importance))
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    first, *others = kept
    rest = sum(_width(column) + GAP for column in others)
    longest = max(map(cell_len, map(_name, [first.heading, *first.cells])))
    table.add_column(first.heading, width=min(longest, max(width - rest, LEAST)), overflow="fold")
    for column in others:
        heading = "\n".join(_heading(column))
        table.add_column(heading, justify="right", no_wrap=True, width=_width(column))
    for row in zip(*(column.cells for column in kept), strict=True):
        table.add_row(_name(row[0]), *row[1:])
    return table, [column.heading for column in columns if column not in kept]


def _least_width(columns: Sequence[Column]) -> int:
    first, *others = columns
    names = max(map(cell_len, map(_name, [first.heading, *first.cells])))
    return min(names, ENOUGH) + sum(_width(column) + GAP for column in others)


def _width(column: Column) -> int:
    return max(map(cell_len, [*_heading(column), *column.cells]))


def _heading(column: Column) -> list[str]:
    """The heading in lines."""
    longest = max(map(len, [*column.heading.split(), *column.cells, AS_IT_IS]))
    return textwrap.wrap(column.heading, longest, break_long_words=False, break_on_hyphens=False)


def _name(text: str) -> str:
    return printable(text, lines=False)
