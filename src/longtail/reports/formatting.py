"""Text of table cells: the headings of the scores, percentages, spreads over seeds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

GROUPS = {"all": "balanced_accuracy", "many": "many", "medium": "medium", "few": "few"}
"""Headings, and the scores of `long_tail_scores` below them: "all" is the mean of all classes' recalls, which is the
accuracy where the test set is balanced."""
NONE = "none"
Scores = Mapping[str, float | None]


def columns_of(scores: Iterable[Scores]) -> dict[str, str]:
    """`GROUPS`, and the accuracy where it is another number, because the test set is not balanced.

    Example:
        >>> columns_of([{"top1": 0.9, "balanced_accuracy": 0.5}])["accuracy"]
        'top1'
    """
    differs = any(abs((s.get("top1") or 0.0) - (s.get("balanced_accuracy") or 0.0)) > 1e-6 for s in scores)
    return GROUPS | ({"accuracy": "top1"} if differs else {})


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal.

    Example:
        >>> percent(0.1234), percent(None)
        ('12.3', 'none')
    """
    return spread([value])


def points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign.

    Example:
        >>> points(0.1234), points(-0.0001)
        ('+12.3', '+0.0')
    """
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def spread(values: Sequence[float | None]) -> str:
    """Mean ± standard deviation (n − 1) of shares, as percentages; "none" if one of them is missing.

    Example:
        >>> spread([0.5, 0.52])
        '51.0 ± 1.4'
    """
    # A mean of recalls and an accuracy are one number but for the last bit, which may decide how a half is rounded.
    known = [round(100 * value, 6) for value in values if value is not None and value == value]
    if not known or len(known) < len(values):
        return NONE
    return f"{statistics.mean(known):.1f}" + (f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else "")
