"""Parts that other packages bring, by name: in a registry, or under a group of entry points."""

from importlib.metadata import entry_points
from typing import TypeVar

from longtail.arguments import check_choice

T = TypeVar("T")


def find_registered(registry: dict[str, T], name: str, *, argument: str, group: str) -> T:
    """The part of that name; one that an entry point loads is kept in the registry.

    Args:
        registry: the parts that are known.
        name: of the part.
        argument: what the name is given as.
        group: of the entry points.

    Raises:
        ValueError: there is none.

    Example:
        >>> find_registered({"mean": sum}, "mean", argument="pooling", group="longtail.pooling")
        <built-in function sum>
    """
    if name not in registry:
        for found in entry_points(group=group, name=name):
            registry[name] = found.load()
    advice = f"One of your own must be imported first, or be an entry point of the group {group!r}."
    check_choice(argument, name, list(registry), otherwise=advice)
    return registry[name]
