"""Names and numbers of things, for messages."""

from collections.abc import Sequence


def first(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are.

    Example:
        >>> first(["a", "b", "c"], most=2)
        'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def counted(number: int, one: str, many: str) -> str:
    """A number and what it counts.

    Example:
        >>> counted(1, "class has", "classes have"), counted(1200, "class has", "classes have")
        ('1 class has', '1,200 classes have')
    """
    return f"{number:,} {one if number == 1 else many}"
