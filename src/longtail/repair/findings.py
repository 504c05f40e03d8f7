"""What a diagnosis finds: plain values that a command prints and a report draws."""

from dataclasses import dataclass, field

import numpy as np

from longtail.repair.fix import Fix


@dataclass(frozen=True)
class Scores:
    """Of one set of decisions: the goal, and the mean recall of each group of classes (None where a group is empty)."""

    goal: float
    groups: dict[str, float | None]
    accuracy: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one candidate does on data that it has not seen.

    Attributes:
        name: of the candidate.
        scores: cross-fitted.
        gain: of the goal over the model as it is.
        interval: of the gain.
        strength: τ that would be served.
        curve: for each strength its scores: what the head pays for the tail.
        offset: (C,) that would be served, whatever the verdict; None where the rule has none.
        failure: why there is nothing but this.
    """

    name: str
    scores: Scores | None = None
    gain: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    strength: float = 0.0
    curve: dict[float, Scores] = field(default_factory=dict)
    offset: np.ndarray | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Calibration:
    """Calibration errors under the goal's prior, before and cross-fitted after.

    Attributes:
        top_label: of the most probable class.
        class_wise: the mean of all classes.
        pooled_classes: how many classes were taken as one, for each has too few samples.
        samples: on how many it was fitted and measured.
    """

    top_label: tuple[float, float]
    class_wise: tuple[float, float]
    pooled_classes: int
    samples: int


@dataclass(frozen=True)
class Diagnosis:
    """All that was found.

    Attributes:
        goal: its name.
        before: the model as it is.
        outcomes: what each candidate does.
        calibration: of the probabilities.
        verdict: "use", "keep" or "too few".
        words: the verdict as a sentence or two.
        fix: what would be served; its offset is 0 unless the verdict is "use".
        groups: names of the groups of classes, and how many classes each has.
        worst: the classes of the lowest recall: (class, recall, samples, times that it is predicted).
        samples: N.
    """

    goal: str
    before: Scores
    outcomes: tuple[Outcome, ...]
    calibration: Calibration
    verdict: str
    words: str
    fix: Fix
    groups: dict[str, int]
    worst: tuple[tuple[str, float, int, int], ...]
    samples: int
