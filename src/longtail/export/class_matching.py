"""The classes of a fix matched to those of a model: by name, or by position on request."""

import dataclasses
from collections.abc import Sequence

from longtail.export.model_class_names import are_places
from longtail.export.source_text import listed
from longtail.repair import Fix
from longtail.repair.class_order import in_order_of


def match_classes(
    fix: Fix, num_classes: int, names: Sequence[str] | None, model: str, *, assume_order: bool = False
) -> tuple[Fix, str]:
    """The fix in the order of the model's classes, and a sentence on how they were matched.

    Args:
        fix: what `longtail fix` found.
        num_classes: of the model.
        names: of its classes, in the order of its scores; `None` if they are unknown.
        model: its name in messages.
        assume_order: match by position if either has no names, or only placeholders such as 0, 1, 2.

    Raises:
        ValueError: another number of classes, other names, or no names and no `assume_order`.

    Example:
        >>> import numpy as np
        >>> even = np.array([0.5, 0.5])
        >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), even, ("cat", "lynx"), "accuracy", "by hand")
        >>> matched, how = match_classes(fix, 2, ["lynx", "cat"], "net.onnx")
        >>> matched.offset.tolist(), how
        ([1.0, -1.0], 'classes matched by name, in the order of net.onnx: lynx, cat')
    """
    if len(fix.class_names) != num_classes:
        raise ValueError(
            f"`fix` must have the classes of {model}, {num_classes}. It has {len(fix.class_names)}: "
            f"{listed(fix.class_names)}."
        )
    unnamed = are_places(fix.class_names)
    if names is not None and set(names) == set(fix.class_names):
        order = "" if tuple(names) == fix.class_names else f", in the order of {model}"
        return in_order_of(fix, names, model), f"classes matched by name{order}: {listed(names)}"
    if names is not None and are_places(names):
        names = None
    if names is not None and not unnamed:
        raise ValueError(f"`fix` must have the classes of {model}. {_difference(fix.class_names, names)}")
    if names is None and unnamed:
        return fix, f"neither {model} nor the fix names its {num_classes} classes: matched by place"
    known, nameless = (fix.class_names, model) if names is None else (tuple(names), "the fix")
    if not assume_order:
        raise ValueError(
            f"{nameless} names no classes, so they can't be matched by name. If its columns are, in this order, "
            f"{listed(known)}, say so with --assume-order (in Python assume_order=True)."
        )
    return dataclasses.replace(
        fix, class_names=known
    ), f"{nameless} names no classes: matched by place, {listed(known)}"


def _difference(stored: Sequence[str], asked: Sequence[str]) -> str:
    foreign = [name for name in stored if name not in asked]
    missing = [name for name in asked if name not in stored]
    return f"It has {listed(foreign)}, which the model lacks; the model has {listed(missing)}."
