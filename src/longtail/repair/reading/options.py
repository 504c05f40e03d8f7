"""How predictions are to be read: what the user said of names and columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reading:
    """The options of `read_predictions` that say what is what.

    Attributes:
        kind: "logits" or "probabilities".
        class_names: (C,) in the order that is wanted, or None.
        classes: pattern of the columns of classes with one `*`, or None.
        ignore: columns, or patterns of columns, that are left out.
        label: column or array of the labels.
        weight: column or array of the sample weights.
        group: column or array of the groups.
        id: column of identifiers.
        count_names: names that come with the training counts.
        labels: (N,) labels that were given apart from the scores, or None.
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
