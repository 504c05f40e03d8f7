"""The tables of a diagnosis: scores of each candidate and, with few classes, the recall of each class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longtail.repair import Diagnosis
from longtail.repair.metrics import ExpectedCost
from longtail.repair.verdict import MOST_NAMED_CLASSES
from longtail.reports.formatting import NONE, percent, points

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: heading, which may be wrapped at spaces.
        cells: one per row.
        importance: columns with larger numbers are omitted first if there is no room; 0 is never omitted.
    """

    heading: str
    cells: Sequence[str]
    importance: int = 0


def shows_classes(found: Diagnosis) -> bool:
    """Whether recalls are shown by class, not by group of classes."""
    return len(found.fix.class_names) <= MOST_NAMED_CLASSES


def unit_of_scores(found: Diagnosis) -> str:
    """The unit of `candidate_columns`, in words."""
    return "metric multiplied by 100, recalls in %" if found.metric == ExpectedCost.name else "in %"


def candidate_columns(found: Diagnosis) -> list[Column]:
    """Rows: the uncorrected model and each candidate; scores multiplied by 100 (`unit_of_scores`)."""
    outcomes = found.outcomes
    scores = [found.before, *(outcome.scores for outcome in outcomes)]
    names = [o.name if o.scores is None else f"{o.name}, τ={o.strength:g}" for o in outcomes]
    gains = ["" if o.scores is None else points(o.gain) for o in outcomes]
    intervals = ["" if o.scores is None else _interval(o.interval) for o in outcomes]
    shown = [] if shows_classes(found) else [name for name, recall in found.before.groups.items() if recall is not None]
    return [
        Column("candidate", [AS_IT_IS, *names]),
        Column("metric", [NONE if own is None else percent(own.score) for own in scores]),
        Column("gain", ["", *gains], 1),
        Column("interval", ["", *intervals], 4),
        *(
            Column(
                group,
                ["" if own is None else percent(own.groups[group]) for own in scores],
                0 if group == shown[-1] else 2 if group == shown[0] else 3,
            )
            for group in shown
        ),
        Column("accuracy", ["" if own is None else percent(own.accuracy) for own in scores]),
    ]


def class_columns(found: Diagnosis) -> list[Column]:
    """Rows: classes, the most frequent first, with their samples and their recall in % for each candidate."""
    by_class = found.by_class
    order = np.argsort(-np.asarray(by_class.training), kind="stable")
    scored = [(outcome.name, outcome.scores.recall) for outcome in found.outcomes if outcome.scores is not None]
    training = [Column("in training", [f"{by_class.training[label]:,.0f}" for label in order], 9)]
    return [
        Column("class", [found.fix.class_names[label] for label in order]),
        *(training if by_class.training_known else []),
        Column("samples", [f"{by_class.samples[label]:,}" for label in order], 1),
        Column(AS_IT_IS, [percent(found.before.recall[label]) for label in order]),
        *(
            Column(name, [percent(recall[label]) for label in order], 0 if name == found.best else 2 + number)
            for number, (name, recall) in enumerate(scored)
        ),
    ]


def as_rows(columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows, the most important columns first."""
    order = sorted(columns, key=lambda column: column.importance)
    return [c.heading for c in order], [list(row) for row in zip(*(c.cells for c in order), strict=True)]


def _interval(ends: tuple[float, float]) -> str:
    return f"{points(ends[0])} to {points(ends[1])}"
