"""What a diagnosis finds: plain values that a command prints and a report draws."""

from dataclasses import dataclass, field

import numpy as np

from longtail.repair.fix import Fix


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one set of decisions.

    Attributes:
        score: by the metric.
        groups: mean recall of each group of classes; None where a group is empty.
        accuracy: share of right decisions.
        recall: (C,) of each class; NaN for a class without samples.
    """

    score: float
    groups: dict[str, float | None]
    accuracy: float
    recall: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one candidate does on data that it has not seen.

    Attributes:
        name: of the candidate.
        scores: cross-fitted.
        gain: of the metric over the model as it is.
        interval: of the gain.
        strength: τ that would be served.
        curve: for each strength its scores: the trade-off of head and tail.
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


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration errors under the metric's prior, before and cross-fitted after.

    Attributes:
        top_label: of the most probable class.
        class_wise: the mean of all classes.
        pooled_classes: how many classes were taken as one, for each has too few samples.
        samples: on how many it was fitted and measured.
        helps: whether it makes the error of the most probable class no larger; else probabilities stay as they are.
        reliability: (B, 3) each: mean confidence, accuracy, share of the samples.
        at_limit: whether the temperature is the smallest or the largest that is tried.
    """

    top_label: tuple[float, float]
    class_wise: tuple[float, float]
    pooled_classes: int
    samples: int
    helps: bool
    reliability: tuple[np.ndarray, np.ndarray]
    at_limit: bool


@dataclass(frozen=True, eq=False)
class ByClass:
    """What happens to each class, (C,) each: by the model as it is, and by the best candidate, cross-fitted.

    Attributes:
        training: samples in training, where they are known; else those here.
        samples: here.
        recall: NaN for a class without samples.
        predicted: how often it is predicted.
        training_known: whether `training` holds samples in training.
    """

    training: np.ndarray
    samples: np.ndarray
    recall: tuple[np.ndarray, np.ndarray]
    predicted: tuple[np.ndarray, np.ndarray]
    training_known: bool


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """All that was found.

    Attributes:
        metric: its name.
        before: the model as it is.
        outcomes: what each candidate does.
        calibration: of the probabilities.
        verdict: "use", "keep" or "too few".
        summary: the verdict as a sentence or two.
        fix: what would be served; its offset is 0 unless the verdict is "use".
        groups: names of the groups of classes, and how many classes each has.
        best: the name of the outcome of the largest gain.
        worst: the classes of the lowest recall: (class, recall, samples, times that it is predicted).
        by_class: what happens to each class.
        samples: N.
        warnings: what looks wrong with the predictions, to be read before the verdict.
    """

    metric: str
    before: Scores
    outcomes: tuple[Outcome, ...]
    calibration: Calibration
    verdict: str
    summary: str
    fix: Fix
    groups: dict[str, int]
    best: str
    worst: tuple[tuple[str, float, int, int], ...]
    by_class: ByClass
    samples: int
    warnings: tuple[str, ...] = ()
