"""Data in parts: statistics of each part are computed where it is, and merged."""

from collections.abc import Callable
from typing import Protocol, Self, TypeVar


class Mergeable(Protocol):
    """A statistic of one part, or of several."""

    def merge(self, other: Self) -> Self:
        """The statistic of the samples of both: associative and, up to rounding, commutative."""


M = TypeVar("M", bound=Mergeable)


class OverParts(Protocol):
    """Computes a statistic of all parts."""

    def __call__(self, statistic: Callable[..., M], /) -> M:
        """Call `statistic` with the arrays of each part, and merge the results."""


def merged_over(over_parts: OverParts, statistic: Callable[..., M], kind: type[M]) -> M:
    """The statistic of all parts.

    Raises:
        TypeError: `over_parts` returned something else.
    """
    found = over_parts(statistic)
    if not isinstance(found, kind):
        raise TypeError(
            f"`over_parts` must return the merged statistics of all parts, one {kind.__name__}. Got "
            f"{type(found).__name__}. Merge them: functools.reduce(lambda a, b: a.merge(b), results)."
        )
    return found


def check_same_classes(first: int, second: int) -> None:
    """Raise if two parts do not have the same number of classes."""
    if first != second:
        raise ValueError(f"`other` must have the same number of classes, {first}. Got {second}.")
