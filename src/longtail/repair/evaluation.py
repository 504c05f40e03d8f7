"""Evaluation of a fix on new labelled predictions."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from longtail.arguments import check_fraction
from longtail.data.check import Progress
from longtail.metrics import CalibrationErrors
from longtail.metrics.groups import USUAL, GroupBounds
from longtail.repair.by_class import by_class, class_groups
from longtail.repair.calibration import prior_weight, probabilities
from longtail.repair.class_order import in_order_of
from longtail.repair.evaluation_summary import promised_by, summary_of_gain
from longtail.repair.findings import ByClass, Scores
from longtail.repair.fix import Fix
from longtail.repair.inputs import as_counts, as_groups, as_log_probabilities, as_samples
from longtail.repair.judge import Judge
from longtail.repair.metrics import ExpectedCost, Metric, metric_named
from longtail.repair.predictions import Predictions
from longtail.repair.samples import Samples
from longtail.repair.suspicions import decisions_and_fingerprints, digest_of, suspicions
from longtail.repair.verdict import MOST_NAMED_CLASSES

LEVEL = 0.95  # of the intervals, by default
FITTED_HERE = (
    "These are probably the samples that the fix was fitted on, so the gain is too optimistic. Use labelled "
    "predictions that it was not fitted on."
)


@dataclass(frozen=True, eq=False)
class FixEvaluation:
    """The result of `evaluate_fix`: scores of a fix on new labelled predictions.

    Attributes:
        metric: its name.
        before: scores without the fix.
        after: scores with the fix.
        gain: gain in the metric; for macro-F1 and the worst tenth, which few samples bias, an estimate.
        interval: confidence interval of the gain.
        level: confidence level of the interval.
        verdict: "helps" where the interval lies above 0, "hurts" where it lies below, else "no gain seen".
        summary: the verdict in one or two sentences, with a comparison of the gain with `promised`.
        promised: the interval of the gain that was reported when the fix was fitted, or None if it is not known.
        calibration_top_label: calibration error of the most probable class under the fix's prior, before and after.
        calibration_by_class: the mean of all classes' calibration errors, before and after.
        groups: number of classes in each group of classes; with few classes, each class is a group, the most frequent
            first.
        by_class: recall and predictions of each class, before and after.
        class_names: (C,) in the order of `by_class`.
        samples: N.
        warnings: possible problems of the predictions.

    Example:
        >>> target, logits = np.array([0, 0, 1, 1]), np.array([[2.0, 0.0], [2.0, 0.0], [1.0, 0.5], [0.0, 2.0]])
        >>> even = np.array([0.5, 0.5])
        >>> fix = Fix(np.array([-0.5, 0.5]), 1.0, np.zeros(2), even, ("cat", "lynx"), "balanced accuracy", "by hand")
        >>> found = evaluate_fix(fix, logits, target)
        >>> found.before.score, found.after.score, found.verdict  # with 4 samples the interval of the gain contains 0
        (0.75, 1.0, 'no gain seen')
        >>> [recall.tolist() for recall in found.by_class.recall]  # before and after
        [[1.0, 0.5], [1.0, 1.0]]
    """

    metric: str
    before: Scores
    after: Scores
    gain: float
    interval: tuple[float, float]
    level: float
    verdict: str
    summary: str
    promised: tuple[float, float] | None
    calibration_top_label: tuple[float, float]
    calibration_by_class: tuple[float, float]
    groups: dict[str, int]
    by_class: ByClass
    class_names: tuple[str, ...]
    samples: int
    warnings: tuple[str, ...]


def evaluate_fix(
    fix: Fix,
    logits: np.ndarray | Tensor,
    target: np.ndarray | Tensor | Sequence[int],
    *,
    class_names: Sequence[str] | None = None,
    class_counts: Tensor | np.ndarray | Sequence[float] | None = None,
    groups: np.ndarray | Sequence[object] | None = None,
    sample_weight: np.ndarray | Sequence[float] | None = None,
    level: float = LEVEL,
    progress: Progress | None = None,
    bounds: GroupBounds = USUAL,
) -> FixEvaluation:
    """Score a model with and without a fix on labelled predictions that the fix was not fitted on.

    Args:
        fix: the fix.
        logits: (N, C) logits, or probabilities if the fix takes those.
        target: (N,) indices into `class_names`.
        class_names: (C,) of the columns, matched to those of the fix by name; by default those of the fix.
        class_counts: (C,) training samples of each class, if known, for the groups many, medium and few.
        groups: (N,) samples of one group are not independent of each other.
        sample_weight: (N,) positive sample weights.
        level: confidence level of the interval, in (0, 1).
        progress: called with the step and its completed share.
        bounds: of the groups many, medium and few.

    Raises:
        ValueError, TypeError, IndexError: invalid inputs, other classes, or a metric whose costs are not in the fix
             (`dataclasses.replace(fix, metric_cost=...)`).

    Example:
        >>> from longtail.repair import diagnose
        >>> rng = np.random.default_rng(0)
        >>> target = rng.integers(0, 3, 1800)
        >>> logits = rng.normal(size=(1800, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
        >>> fix = diagnose(logits[:900], target[:900]).fix
        >>> found = evaluate_fix(fix, logits[900:], target[900:])
        >>> found.verdict, round(found.before.score, 2), round(found.after.score, 2)
        ('helps', 0.71, 0.85)
    """
    if fix.takes == "probabilities":
        logits = _at_floor(*as_log_probabilities(logits), fix.floor)
    samples = as_samples(logits, target, sample_weight, progress)
    return _evaluated(fix, samples, class_names, class_counts, groups, level, bounds)


def evaluate_predictions(fix: Fix, found: Predictions, *, progress: Progress | None = None) -> FixEvaluation:
    """`evaluate_fix` on `Predictions`, with intervals of 95 %.

    Raises:
        ValueError: as `evaluate_fix`; or the scores are not of the kind that the fix takes.
    """
    if found.kind != fix.takes:
        raise ValueError(f"The predictions must be {fix.takes}, which the fix takes. Got {found.kind}: see `kind`.")
    logits = found.logits if fix.takes == "logits" else _at_floor(found.logits, found.floor, fix.floor)
    samples = as_samples(logits, found.target, found.sample_weight, progress)
    return _evaluated(fix, samples, found.class_names, found.class_counts, found.groups, LEVEL, found.bounds)


def _at_floor(log_probability: np.ndarray, floor: float, asked: float) -> np.ndarray:
    """Log-probabilities with `asked` (the floor of the fix) instead of `floor` for probabilities of 0."""
    zero = log_probability <= np.log(floor)
    return np.asarray(np.maximum(np.where(zero, -np.inf, log_probability), np.log(asked)))


def _evaluated(
    fix: Fix,
    samples: Samples,
    class_names: Sequence[str] | None,
    class_counts: Tensor | np.ndarray | Sequence[float] | None,
    groups: np.ndarray | Sequence[object] | None,
    level: float,
    bounds: GroupBounds,
) -> FixEvaluation:
    check_fraction("level", level)
    y, number = samples.target, samples.num_classes
    if class_names is None and number != len(fix.class_names):
        raise ValueError(f"`logits` must have the fix's {len(fix.class_names)} classes. Got {number}.")
    fix = in_order_of(fix, fix.class_names if class_names is None else class_names, "the predictions")
    counts, g, metric = as_counts(class_counts, number), as_groups(groups, len(samples)), _metric_of(fix)
    seen = np.bincount(y, minlength=number)
    parts = _parts(fix.class_names, counts, seen, bounds)
    raw, fingerprint = decisions_and_fingerprints(samples)
    fixed, before, after = _with_fix(samples, fix)
    judge = Judge(metric, y, samples.weight, raw, parts, level, g)
    scores, estimate, promised = (judge.scores(raw), judge.scores(fixed)), judge.estimate([fixed]), promised_by(fix)
    gain, interval = estimate.gain, (estimate.low, estimate.high)
    fitted_here = fix.evidence.get("fitted_on") == digest_of(fingerprint)
    verdict = "helps" if interval[0] > 0 else "hurts" if interval[1] < 0 else "no gain seen"
    return FixEvaluation(
        metric=metric.name,
        before=scores[0],
        after=scores[1],
        gain=gain,
        interval=interval,
        level=level,
        verdict=verdict,
        summary=summary_of_gain(
            metric.name, scores, gain, interval, level, promised, changed=int((raw != fixed).sum())
        ),
        promised=promised,
        calibration_top_label=(before.top_label, after.top_label),
        calibration_by_class=(before.class_wise, after.class_wise),
        groups={name: int(members.sum()) for name, members in parts.items()},
        by_class=by_class(y, raw, [fixed], counts, number),
        class_names=fix.class_names,
        samples=len(y),
        warnings=((FITTED_HERE,) if fitted_here else ()) + suspicions(y, raw, fingerprint, fix.class_names, g),
    )


def _metric_of(fix: Fix) -> Metric:
    if fix.metric == ExpectedCost.name and fix.metric_cost is None:
        raise ValueError(
            "`fix` must hold the costs of its metric. This one was made by an older version and does not: pass "
            "`dataclasses.replace(fix, metric_cost=...)`, or run `longtail fix` again."
        )
    return metric_named(fix.metric, fix.prior, fix.metric_cost)


def _parts(
    names: Sequence[str], counts: np.ndarray | None, seen: np.ndarray, bounds: GroupBounds
) -> dict[str, np.ndarray]:
    if len(names) > MOST_NAMED_CLASSES:
        return class_groups(counts, seen, bounds)
    return {names[label]: np.arange(len(names)) == label for label in np.argsort(-seen, kind="stable")}


def _with_fix(samples: Samples, fix: Fix) -> tuple[np.ndarray, CalibrationErrors, CalibrationErrors]:
    """Predictions (N,) with the fix, and calibration errors without and with it, in one pass."""
    on_logits = dataclasses.replace(fix, takes="logits")
    weight = prior_weight(samples.target, fix.prior, samples.weight)
    seen = np.bincount(samples.target, minlength=samples.num_classes)
    before, after = CalibrationErrors(seen), CalibrationErrors(seen)

    def decided() -> Iterator[np.ndarray]:
        for part, logits in samples.blocks("the model with the fix"):
            target, own = samples.target[part], weight[part]
            before.add(probabilities(logits, 1.0, np.zeros(samples.num_classes)), target, own)
            after.add(on_logits.predict_proba(logits), target, own)
            yield on_logits.predict(logits)

    return np.concatenate(list(decided())), before, after
