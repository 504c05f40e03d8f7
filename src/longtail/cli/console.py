"""Printing to a terminal; control characters are escaped."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from longtail.printable import printable


def say(text: str, *, error: bool = False) -> None:
    """Print lines to standard output, or to standard error."""
    print(printable(text), file=sys.stderr if error else sys.stdout, flush=True)


class PlainConsole(Console):
    """A console without markup, highlighting and emoji codes; control characters are escaped."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, highlight=False, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print strings and tables; control characters are escaped."""
        super().print(*map(_escaped, objects), **options)


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Table):
        for column in value.columns:
            column.header = _escaped(column.header)
            column._cells = [_escaped(cell) for cell in column._cells]
    return value
