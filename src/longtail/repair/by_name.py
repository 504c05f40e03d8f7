"""Matching of classes by name, and of values per class (training counts, priors, costs) by class name."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from longtail.data.class_names import INTEGER, WHOLE, as_text

SHOWN = 12
BOOLEANS = {"True": "1", "False": "0"}


def listed(names: Iterable[object]) -> str:
    """Quoted names, at most twelve.

    Example:
        >>> listed(["cat", "lynx"])
        "'cat', 'lynx'"
    """
    texts = [repr(str(name)) for name in names]
    return ", ".join(texts[:SHOWN]) + (f", … ({len(texts)})" if len(texts) > SHOWN else "")


def nearest(text: str, names: Iterable[str]) -> str:
    """The three most similar names, quoted.

    Example:
        >>> nearest("Lynx", ["cat", "lynx"])
        "'lynx', 'cat'"
    """
    spelled = {name.casefold(): name for name in names}
    return listed(spelled[name] for name in difflib.get_close_matches(text.casefold(), list(spelled), 3, 0.0))


def spellings(text: str) -> tuple[str, ...]:
    """A label, and the same without decimals if it is a whole number such as 1.0."""
    whole = WHOLE.fullmatch(text)
    return (text,) if whole is None or whole[1] == text else (text, whole[1])


class ClassIndex:
    """Finds classes by name; surrounding spaces and the Unicode normal form are ignored.

    1.0 matches 1 if all names are integers, and True matches 1 if the names are 0 and 1.

    Raises:
        ValueError: a name is empty, or two names are equal.

    Example:
        >>> index = ClassIndex(["1", "2", "10"])
        >>> index.find("2.0"), index.find("3")
        (1, None)
    """

    def __init__(self, names: Sequence[object]) -> None:
        self.names = tuple(map(str, names))
        self.places: dict[str, int] = {}
        for place, name in enumerate(names):
            key = as_text(name)
            if key is None or key in self.places:
                raise ValueError(f"`class_names` must differ from each other and not be empty. Got {listed(names)}.")
            self.places[key] = place
        self.integers = all(INTEGER.fullmatch(key) for key in self.places)
        self.binary = set(self.places) == {"0", "1"}

    def find(self, text: str) -> int | None:
        """The index of a class, or None."""
        place = self.places.get(text)
        if place is None and self.integers:
            place = self.places.get(spellings(text)[-1])
        if place is None and self.binary:
            place = self.places.get(BOOLEANS.get(text, text))
        return place


def by_label(given: Any) -> Any:
    """Of a pandas Series or table, whose labels name the classes, a mapping; anything else as it is.

    `y.value_counts()` has its classes in the order of their numbers, which is no order of classes.

    Raises:
        ValueError: a label that stands there twice.

    Example:
        >>> import pandas as pd
        >>> by_label(pd.Series(["lynx", "cat", "lynx"]).value_counts())
        {'lynx': 2, 'cat': 1}
    """
    if not (hasattr(given, "index") and hasattr(given, "to_dict")):
        return given
    axes = [list(axis) for axis in given.axes]
    if all(labels == list(range(len(labels))) for labels in axes):
        return given.to_numpy()
    if any(len(set(labels)) < len(labels) for labels in axes):
        raise ValueError(f"The labels of a pandas object must name each class once. Got {listed(axes[0])}.")
    return (given.T if len(axes) == 2 else given).to_dict()


def in_class_order(what: str, given: Mapping[Any, Any], names: Sequence[str]) -> np.ndarray:
    """The values of a mapping from class names, (C,) in the order of the classes.

    Args:
        what: name of the argument in messages.
        given: one number per class name.
        names: (C,).

    Raises:
        ValueError: a class is missing or repeated, a name is not a class, or a value is not a number.

    Example:
        >>> in_class_order("class_counts", {"lynx": 10, "cat": 90}, ["cat", "lynx"])
        array([90., 10.])
    """
    found = _entries(what, given, names)
    values = [_number(what, name, found[place]) for place, name in enumerate(names)]
    return np.array(values, dtype=np.float64)


def costs_in_class_order(given: Mapping[Any, Any], names: Sequence[str]) -> np.ndarray:
    """The costs of a mapping of mappings by class name, (C, C); errors as for `in_class_order`.

    Example:
        >>> costs_in_class_order({"lynx": {"cat": 5, "lynx": 0}, "cat": {"cat": 0, "lynx": 1}}, ["cat", "lynx"])
        array([[0., 1.],
               [5., 0.]])
    """
    rows = _entries("cost", given, names)
    wrong = next((name for place, name in enumerate(names) if not isinstance(rows[place], Mapping)), None)
    if wrong is not None:
        raise ValueError(f"`cost` must map each class to a mapping of costs. Got no mapping for {wrong!r}.")
    return np.stack([in_class_order(f"cost[{name!r}]", rows[place], names) for place, name in enumerate(names)])


def _entries(what: str, given: Mapping[Any, Any], names: Sequence[str]) -> dict[int, Any]:
    index = ClassIndex(names)
    found: dict[int, Any] = {}
    for name, value in given.items():
        text = as_text(name) or ""
        place = index.find(text)
        if place is None:
            raise ValueError(
                f"`{what}` must name classes. Got {text!r}; most similar: {nearest(text, names)}. "
                "Use the class names of the predictions."
            )
        if place in found:
            raise ValueError(f"`{what}` must name each class once. Got {names[place]!r} twice.")
        found[place] = value
    missing = [name for place, name in enumerate(names) if place not in found]
    if missing:
        raise ValueError(
            f"`{what}` must name every class. It lacks {listed(missing)}: add them, with 0 if they have no samples."
        )
    return found


def _number(what: str, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`{what}` must hold a number for each class. Got {value!r} for {name!r}.") from None
