"""Reordering the classes of a fix by name."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from longtail.repair.fix import Fix

SHOWN = 5


def in_order_of(fix: Fix, class_names: Sequence[str], owner: str) -> Fix:
    """The same fix with its classes in another order.

    Args:
        fix: the fix.
        class_names: (C,) in the order of the model's outputs.
        owner: what has these class names, for messages.

    Raises:
        ValueError: the classes differ.
    """
    names = tuple(class_names)
    if names == fix.class_names:
        return fix
    if set(names) != set(fix.class_names) or len(names) != len(fix.class_names):
        raise ValueError(
            f"`fix.class_names` must be the classes of {owner}, in any order. "
            f"{_difference(fix.class_names, names, owner)} If they are the same classes under other names, pass "
            "`dataclasses.replace(fix, class_names=...)`."
        )
    place = {name: index for index, name in enumerate(fix.class_names)}
    order = np.array([place[name] for name in names])
    return dataclasses.replace(
        fix,
        offset=fix.offset[order],
        probability_offset=fix.probability_offset[order],
        prior=fix.prior[order],
        class_names=names,
        cost=_in_both(fix.cost, order),
        metric_cost=_in_both(fix.metric_cost, order),
    )


def _in_both(cost: np.ndarray | None, order: np.ndarray) -> np.ndarray | None:
    return None if cost is None else cost[np.ix_(order, order)]


def _difference(own: Sequence[str], other: Sequence[str], owner: str) -> str:
    missing, unknown = [[name for name in a if name not in set(b)] for a, b in ((own, other), (other, own))]
    if len(own) != len(other) or not missing:
        return f"The fix has {len(own)} ({_some(own)}), {owner} {len(other)} ({_some(other)})."
    return f"Only the fix has {_some(missing)}, only {owner} {_some(unknown)}."


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
