"""Options for reading predictions, which `longtail fix` and `longtail evaluate --fix` have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

Kind = Literal["logits", "probabilities"]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How predictions are read.

    Attributes:
        labels: File of labels, if the predictions hold none: npy, one label per line, JSON, or a table.
        classes: Pattern of the score columns with one *, which stands for the class name: 'prob_*'.
        ignore: Columns to ignore, separated by commas; patterns are allowed.
        label: Column of the labels.
        weight: Column of the sample weights.
        group: Column of the groups.
        id: Column of identifiers, which is not used.
        counts: Training samples per class, by name: JSON, or a CSV with two columns (name, count); numbers without
            names are taken in the order of the classes. Or the training data: a folder of class folders, a table.
    """

    labels: Annotated[str | None, arg(metavar="FILE")] = None
    classes: Annotated[str | None, arg(metavar="PATTERN")] = None
    ignore: Annotated[str | None, arg(metavar="A,B,C")] = None
    label: Annotated[str | None, arg(metavar="COLUMN")] = None
    weight: Annotated[str | None, arg(metavar="COLUMN")] = None
    group: Annotated[str | None, arg(metavar="COLUMN")] = None
    id: Annotated[str | None, arg(metavar="COLUMN")] = None
    counts: Annotated[Path | None, arg(metavar="FILE|DATA")] = None

    def given(self) -> dict[str, Any]:
        """The options that were given, as keyword arguments of `read_predictions`."""
        return {name: value for name, value in vars(self).items() if value is not None}
