"""Head and tail of a diagnosis: groups of classes or, with few classes, the most frequent and the rarest ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from longtail.repair import Diagnosis
from longtail.repair.findings import Scores
from longtail.reports.outcomes import shows_classes

LONGEST = 14  # characters of a class name in the title of an axis
MOST_IN_A_TITLE = 3


@dataclass(frozen=True)
class End:
    """One end of the class frequencies.

    Attributes:
        name: name in a sentence.
        title: lines of an axis title.
        recall: function that returns its mean recall in [0, 1].
    """

    name: str
    title: Sequence[str]
    recall: Callable[[Scores], float]


def head_and_tail(found: Diagnosis) -> tuple[End, End] | None:
    """Head and tail; None if fewer than two groups or classes have samples."""
    if not shows_classes(found):
        groups = [name for name, recall in found.before.groups.items() if recall is not None]
        return (_group(groups[0]), _group(groups[-1])) if len(groups) > 1 else None
    order = np.argsort(-np.asarray(found.by_class.training), kind="stable")
    present = order[found.by_class.samples[order] > 0]
    if len(present) < 2:
        return None
    number = max(1, len(present) // 3)
    names = found.fix.class_names
    return _classes(present[:number], names, "most frequent"), _classes(present[::-1][:number], names, "rarest")


def _group(name: str) -> End:
    called = f"the {name}" if " " in name else f"the {name}-shot classes"
    return End(called, [called.removeprefix("the ")], lambda scores: float(scores.groups[name] or 0))


def _classes(labels: np.ndarray, class_names: Sequence[str], which: str) -> End:
    names = [class_names[label] for label in labels]
    kind = f"{which} class" if len(names) == 1 else f"{len(names)} {which} classes"
    shown = ", ".join(map(shortened, names[:MOST_IN_A_TITLE])) + (", …" if len(names) > MOST_IN_A_TITLE else "")
    return End(f"the {kind} ({', '.join(names)})", [kind, shown], lambda scores: float(scores.recall[labels].mean()))


def shortened(name: str) -> str:
    """A shortened class name.

    Example:
        >>> shortened("melanocytic nevi of the skin")
        'melanocytic n…'
    """
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
