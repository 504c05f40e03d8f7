"""Options for reading predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reading:
    """The options of `read_predictions` for scores, classes and columns.

    Attributes:
        kind: "logits" or "probabilities".
        class_names: (C,) in the wanted order, or None.
        classes: pattern of the score columns with one `*`, or None.
        ignore: columns, or patterns of columns, to ignore.
        label: column or array of the labels.
        weight: column or array of the sample weights.
        group: column or array of the groups.
        id: column of identifiers.
        count_names: class names in the training counts.
        labels: (N,) labels from a separate source, or None.
    """

    kind: str = "logits"
    class_names: tuple[str, ...] | None = None
    classes: str | None = None
    ignore: Sequence[str] = ()
    label: str | None = None
    weight: str | None = None
    group: str | None = None
    id: str | None = None
    count_names: tuple[str, ...] = ()
    labels: Any = None
