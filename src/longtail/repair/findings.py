"""The results of a diagnosis, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from longtail.repair.fix import Fix


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one set of predictions.

    Attributes:
        score: value of the metric.
        groups: mean recall of each group of classes; None for an empty group.
        accuracy: share of correct predictions.
        recall: (C,) recall of each class; NaN for a class without samples.
    """

    score: float
    groups: dict[str, float | None]
    accuracy: float
    recall: np.ndarray

    def with_score(self, score: float) -> "Scores":
        """The same with another score."""
        return replace(self, score=score)


def mean_scores(each: Sequence[Scores]) -> Scores:
    """The mean of scores of the same samples."""
    groups = {name: [own.groups[name] for own in each] for name in each[0].groups}
    return Scores(
        _mean([own.score for own in each]),
        {name: None if None in found else _mean(found) for name, found in groups.items()},  # type: ignore[arg-type]
        _mean([own.accuracy for own in each]),
        each[0].recall + np.mean([own.recall - each[0].recall for own in each], axis=0),
    )


def _mean(values: Sequence[float]) -> float:
    """Exactly the value where all are equal."""
    return values[0] + float(np.mean([value - values[0] for value in values]))


@dataclass(frozen=True, eq=False)
class Outcome:
    """Cross-fitted results of one candidate, with the τ that is served.

    Attributes:
        name: name of the candidate.
        scores: cross-fitted scores at τ; the metric is that of the uncorrected model plus `gain`. None if it failed.
        gain: gain in the metric over the uncorrected model, less the optimism; 0 for τ = 0. For macro-F1 and the worst
            tenth, which are biased in small samples, the median of draws.
        interval: confidence interval of the gain.
        strength: τ chosen on all data.
        curve: for each τ its scores: the head–tail trade-off.
        offset: (C,) offsets of the given logits, fitted on all data, including τ; None if the candidate has none.
        failure: why the candidate could not be fitted, or None.
        optimism: by how much the metric at τ is too good, because τ (of the best, also the candidate) was chosen by it.
        excluded: values of τ that break a limit.
    """

    name: str
    scores: Scores | None = None
    gain: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    strength: float = 0.0
    curve: dict[float, Scores] = field(default_factory=dict)
    offset: np.ndarray | None = None
    failure: str | None = None
    optimism: float = 0.0
    excluded: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration errors under the metric's prior, before and cross-fitted after.

    Attributes:
        top_label: of the most probable class.
        class_wise: mean over all classes.
        pooled_classes: number of classes that were pooled, because each has too few samples.
        samples: number of samples that were used.
        helps: whether the calibration is served. A temperature exists; compared with the probabilities of the same
            decisions without it, the log loss falls by more than its uncertainty, and the top-label error does not rise
            by more than its own.
        reliability: (B, 3) each: mean confidence, accuracy, share of the samples.
        at_limit: whether no temperature maximises the likelihood; then probabilities are not calibrated.
        log_loss: mean of −log p of the true class, in nats, at least 1e-12 for p.
        log_loss_falls: by more than its uncertainty, compared as for `helps`.
    """

    top_label: tuple[float, float]
    class_wise: tuple[float, float]
    pooled_classes: int
    samples: int
    helps: bool
    reliability: tuple[np.ndarray, np.ndarray]
    at_limit: bool
    log_loss: tuple[float, float]
    log_loss_falls: bool

    @property
    def lowers_top_label(self) -> bool:
        """Whether probabilities are calibrated and their top-label error does not increase."""
        return self.helps and self.top_label[1] <= self.top_label[0]


@dataclass(frozen=True, eq=False)
class ByClass:
    """Results per class, (C,) each: of the uncorrected model, and of the best candidate, cross-fitted.

    Attributes:
        training: number of training samples if known, else `samples`.
        samples: number of samples in the predictions.
        recall: recall; NaN for a class without samples.
        predicted: number of predictions of the class.
        training_known: whether `training` holds training samples.
    """

    training: np.ndarray
    samples: np.ndarray
    recall: tuple[np.ndarray, np.ndarray]
    predicted: tuple[np.ndarray, np.ndarray]
    training_known: bool


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The result of `diagnose`.

    Attributes:
        metric: name of the metric.
        before: scores of the uncorrected model.
        outcomes: results of each candidate.
        calibration: calibration errors.
        verdict: "use", "keep" or "too few".
        summary: the verdict in one or two sentences.
        fix: the correction to deploy; its offset is 0 unless the verdict is "use".
        groups: number of classes in each group of classes.
        best: name of the candidate that is chosen; if that is none, of the one with the largest gain.
        worst: the classes with the lowest recall: (class, recall, samples, number of predictions).
        by_class: results per class.
        samples: N.
        warnings: possible problems of the predictions.

    Example:
        >>> from longtail.repair import diagnose
        >>> rng, target = np.random.default_rng(0), np.arange(300) % 3
        >>> logits = rng.normal(size=(300, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
        >>> diagnosis = diagnose(logits, target, class_names=["fox", "lynx", "wolf"], repeats=1)
        >>> diagnosis.verdict, round(diagnosis.before.score, 2), [name for name, *_ in diagnosis.worst]
        ('use', 0.77, ['wolf', 'lynx', 'fox'])
        >>> [outcome.name for outcome in diagnosis.outcomes if outcome.interval[0] > 0]  # candidates that help
        ['re-balancing', 're-balancing to the fixed point', 'shrunk fixed point']
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
