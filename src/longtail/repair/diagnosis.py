"""Compare corrections of a trained model, from saved predictions."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from longtail.arguments import check_choice, check_fraction, check_integer
from longtail.data.check import Progress
from longtail.metrics.groups import USUAL, GroupBounds
from longtail.repair.by_class import by_class, class_groups
from longtail.repair.by_name import by_label, costs_in_class_order, in_class_order
from longtail.repair.calibration import SMALLEST, calibrated
from longtail.repair.calibration_check import cross_fitted_calibration
from longtail.repair.candidates import STRENGTHS, STRENGTHS_OF_MANY, candidates
from longtail.repair.choice import Limits
from longtail.repair.comparison import Compared, compare
from longtail.repair.decisions import Decision, LeastCost
from longtail.repair.findings import Calibration, Diagnosis, Outcome, Scores
from longtail.repair.fix import Fix
from longtail.repair.fix_file import TAKES
from longtail.repair.folds import Splits
from longtail.repair.inputs import as_counts, as_groups, as_log_probabilities, as_names, as_samples, as_splits
from longtail.repair.judge import Judge
from longtail.repair.metrics import ExpectedCost, Metric, make_metric, recalls
from longtail.repair.processes import ALL, Share
from longtail.repair.samples import Samples
from longtail.repair.suspicions import AT_LIMIT, contradicts, decisions_and_fingerprints, digest_of, suspicions
from longtail.repair.tempering import temperature_of
from longtail.repair.verdict import MISMATCH, summary_of, verdict_of

KEEP = "the model as it is"
LEAST_PRIOR = 1e-12
MOST_FOLDS = 20
MOST_REPEATS = 10
MOST_WORST = 5  # classes of lowest recall that are named
NUMBERS_OF_ALL_REPEATS = 2**22  # logits; with more, single samples hardly move a choice


def diagnose(
    logits: np.ndarray | Tensor,
    target: np.ndarray | Tensor | Sequence[int],
    *,
    kind: str = "logits",
    metric: str = "balanced-accuracy",
    prior: str | np.ndarray | Tensor | list[float] | Mapping[str, float] = "uniform",
    cost: np.ndarray | Mapping[str, Mapping[str, float]] | None = None,
    class_counts: Tensor | np.ndarray | Sequence[float] | Mapping[str, float] | None = None,
    class_names: Sequence[str] | None = None,
    groups: np.ndarray | Sequence[object] | None = None,
    sample_weight: np.ndarray | Sequence[float] | None = None,
    max_accuracy_loss: float | None = None,
    max_class_loss: float | None = None,
    folds: int = 5,
    repeats: int | None = None,
    level: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
    share: Share = ALL,
    bounds: GroupBounds = USUAL,
) -> Diagnosis:
    """Find out whether re-balancing improves a trained model, by how much, and at which cost for the head.

    All scores are cross-fitted: no prediction is by offsets that were fitted on its own fold. Of all candidates and
    values of τ whose score is within one standard error of the best, the one that changes the fewest decisions is
    chosen. Its gain is reduced by the optimism of having chosen it on these samples, and the verdict is "use" only if
    the interval of that gain, corrected for the number of candidates, lies above 0.

    Args:
        logits: (N, C), on data that the model was not trained on, -inf for masked classes; or probabilities. A
            memory-mapped file (`np.load(..., mmap_mode="r")`) is read in blocks.
        target: (N,) class indices.
        kind: "logits" or "probabilities". The fix takes the same.
        metric: one of `longtail.repair.METRICS`.
        prior: for the metrics "accuracy" and "cost": (C,) the class prior, or a mapping from
            class names.
        cost: (C, C) for the metric "cost": row c, column j is the cost of predicting j for class c; or a mapping of
            class names to mappings.
        class_counts: (C,) training samples per class, if known; or a mapping from class names.
        class_names: (C,); by default 0, 1, ….
        groups: (N,) samples of one group are in the same fold; at least three groups.
        sample_weight: (N,) positive sample weights, in fits and in scores.
        max_accuracy_loss: the accuracy on these samples may fall by at most so many percentage points.
        max_class_loss: the recall of any class may fall by at most so many percentage points.
        folds: 3 to 20: one to score on, one to choose τ on, the rest to fit on.
        repeats: of the cross-fitting, with other folds, of which the mean is taken; by default 10, and fewer for more
            than 400,000 logits.
        level: of the intervals, in (0, 1).
        seed: of the folds.
        progress: called with the step and the completed share of its pass over the logits.
        share: which of all samples `logits` holds, if several processes share them. All other arguments are those of
            all samples, and the same in all processes, as is the result.
        bounds: of the groups many, medium and few, which need `class_counts`.

    Raises:
        ValueError, TypeError, IndexError: invalid inputs; fewer than two classes with samples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> target = rng.integers(0, 3, 900)
        >>> logits = rng.normal(size=(900, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
        >>> diagnosis = diagnose(logits, target)
        >>> diagnosis.verdict, diagnosis.fix.offset.round() + 0
        ('use', array([-1.,  0.,  1.]))
    """
    _check_settings(folds, seed, repeats, level, kind)
    limits = Limits(max_accuracy_loss, max_class_loss)
    floor = SMALLEST
    if kind == "probabilities":
        logits, floor = as_log_probabilities(logits)
    samples = as_samples(logits, target, sample_weight, progress, share)
    names = as_names(class_names, samples.num_classes)
    counts, aim = _counts_and_metric(metric, class_counts, prior, cost, names)
    sample_groups = as_groups(groups, len(samples))
    seen = np.bincount(samples.target, minlength=samples.num_classes)
    if not (aim.prior(samples.num_classes)[seen > 0] > 0).any():
        raise ValueError("`prior` must be above 0 for a class with samples. It is 0 for all of them.")
    samples = samples.with_margins("margins")
    splits = _repeated_splits(samples, folds, seed, repeats, sample_groups)
    many = len(samples) * samples.num_classes > NUMBERS_OF_ALL_REPEATS
    rules = candidates(aim, counts, STRENGTHS_OF_MANY if many else STRENGTHS)
    raw, fingerprint = decisions_and_fingerprints(samples)
    parts = class_groups(counts, seen, bounds)
    judge = Judge(aim, samples.target, samples.weight, raw, parts, 1 - (1 - level) / len(rules), sample_groups)
    tempered = dataclasses.replace(samples, scale=1 / temperature_of(samples, aim.prior(samples.num_classes)))
    prepared = _Prepared(samples, tempered.scale, aim, counts, names, limits, splits, judge, fingerprint)
    diagnosis = _answer(prepared, compare(rules, tempered, splits, judge, limits))
    return dataclasses.replace(diagnosis, fix=dataclasses.replace(diagnosis.fix, takes=kind, floor=floor))


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Checked inputs and what is computed from them before candidates are compared.

    Attributes:
        samples: labelled, in the scale of the given logits.
        scale: of the logits that candidates are fitted to, over that of the given ones.
        metric: to optimise.
        counts: (C,) training samples, or None.
        names: (C,) class names.
        limits: on what a correction may cost.
        splits: the folds of each repeat.
        judge: scores predictions on the samples.
        fingerprint: (N,) of the logits of each sample.
    """

    samples: Samples
    scale: float
    metric: Metric
    counts: np.ndarray | None
    names: tuple[str, ...]
    limits: Limits
    splits: Sequence[Splits]
    judge: Judge
    fingerprint: np.ndarray


def _check_settings(folds: int, seed: int, repeats: int | None, level: float, kind: str) -> None:
    check_integer("folds", folds, minimum=3)
    if folds > MOST_FOLDS:
        raise ValueError(
            f"`folds` must be at most {MOST_FOLDS}, because the number of fits grows quadratically. Got {folds}."
        )
    check_integer("seed", seed, minimum=0)
    if repeats is not None:
        check_integer("repeats", repeats, minimum=1)
    check_fraction("level", level)
    check_choice("kind", kind, TAKES)


def _counts_and_metric(
    metric: str, class_counts: Any, prior: Any, cost: Any, names: tuple[str, ...]
) -> tuple[np.ndarray | None, Metric]:
    """Training counts, and the metric with its prior and costs, from values in class order or by class name."""
    class_counts, prior, cost = by_label(class_counts), by_label(prior), by_label(cost)
    if isinstance(class_counts, Mapping):
        class_counts = in_class_order("class_counts", class_counts, names)
    if isinstance(prior, Mapping):
        prior = in_class_order("prior", prior, names)
    if isinstance(cost, Mapping):
        cost = costs_in_class_order(cost, names)
    return as_counts(class_counts, len(names)), make_metric(metric, len(names), prior, cost)


def _answer(prepared: _Prepared, found: Compared) -> Diagnosis:
    """The verdict on the candidate that is chosen, and the fix that it leads to."""
    samples, judge, names, best = prepared.samples, prepared.judge, prepared.names, found.best
    y, raw, num_classes = samples.target, judge.raw, samples.num_classes
    seen = np.bincount(y, minlength=num_classes)
    mismatch = contradicts(y, raw, num_classes)
    verdict = "keep" if mismatch else verdict_of(best, _resolution(found, judge), seen)
    before = judge.scores(raw)
    fits = found.fits[best.name][0]
    served = fits.served if verdict == "use" else None
    directions = (0.0 if served is None else best.strength) * fits.directions / prepared.scale
    calibration = cross_fitted_calibration(samples, prepared.splits[0], prepared.metric, directions, judge.groups)
    evidence = _evidence(verdict, best, before, judge, prepared.splits, prepared.limits)
    evidence |= {"fitted_on": digest_of(prepared.fingerprint), "calibrated": calibration.lowers_top_label}
    limited = prepared.limits != Limits()
    return Diagnosis(
        metric=prepared.metric.name,
        before=before,
        outcomes=found.outcomes,
        calibration=calibration,
        verdict=verdict,
        summary=MISMATCH
        if mismatch
        else summary_of(verdict, best, before, prepared.metric.name, seen, names, limited=limited),
        fix=_fix(samples, prepared.metric, best, served, names, evidence, calibration),
        groups={name: int(members.sum()) for name, members in judge.parts.items()},
        best=best.name,
        worst=_worst(y, raw, names, num_classes),
        by_class=by_class(y, raw, found.decisions_of_best(), prepared.counts, num_classes),
        samples=len(y),
        warnings=suspicions(y, raw, prepared.fingerprint, names, judge.groups)
        + ((AT_LIMIT,) if calibration.at_limit else ()),
    )


def _repeated_splits(
    samples: Samples, folds: int, seed: int, repeats: int | None, groups: np.ndarray | None
) -> list[Splits]:
    """Folds for each repeat, which do not depend on the order of the samples."""
    if repeats is None:
        numbers = len(samples) * samples.num_classes
        repeats = max(1, min(MOST_REPEATS, NUMBERS_OF_ALL_REPEATS // numbers))
    return [as_splits(samples.target, folds, (seed, repeat), groups, samples.margin) for repeat in range(repeats)]


def _resolution(found: Compared, judge: Judge) -> float:
    """Half the width of the widest gain interval at τ = 1: smaller gains could not be detected."""
    estimates = [judge.estimate([each[0].curve[1.0]]) for each in found.fits.values()]
    return max((own.high - own.low) / 2 for own in estimates)


def _evidence(
    verdict: str, best: Outcome, before: Scores, judge: Judge, splits: Sequence[Splits], limits: Limits
) -> dict[str, Any]:
    """The numbers behind the verdict, as plain values."""
    used = best.scores if verdict == "use" else None
    return {
        "verdict": verdict,
        "samples": len(judge.target),
        "folds": splits[0].number,
        "repeats": len(splits),
        "before": before.score,
        "after": before.score if used is None else used.score,
        "gain_interval": None if used is None else list(best.interval),
        "interval_level": judge.level,
        "optimism": None if used is None else best.optimism,
        "accuracy": None if used is None else [before.accuracy, used.accuracy],
        "max_accuracy_loss": limits.accuracy_loss,
        "max_class_loss": limits.class_loss,
    }


def _fix(
    samples: Samples,
    metric: Metric,
    best: Outcome,
    served: Decision | None,
    names: tuple[str, ...],
    evidence: dict[str, Any],
    calibration: Calibration,
) -> Fix:
    """The best candidate if it is used, else the uncorrected model; calibrated if that helps."""
    prior = metric.prior(samples.num_classes)
    offset = np.zeros(len(prior)) if served is None or best.offset is None else best.offset
    decision = offset if metric.decides_by_probability else None
    temperature, probability_offset = 1.0, offset if decision is not None else np.zeros(len(prior))
    if calibration.helps:
        temperature, probability_offset, _ = calibrated(samples, prior, decision)
    positive = np.maximum(prior, LEAST_PRIOR)  # `Fix.predict_proba` takes its logarithm for another prior
    return Fix(
        offset=offset,
        cost=served.cost if isinstance(served, LeastCost) else None,
        metric_cost=metric.cost if isinstance(metric, ExpectedCost) else None,
        temperature=temperature,
        probability_offset=probability_offset,
        prior=positive / positive.sum(),
        class_names=names,
        metric=metric.name,
        method=KEEP if served is None else f"{best.name}, τ = {best.strength:g}",
        evidence=evidence,
    )


def _worst(
    target: np.ndarray, predicted: np.ndarray, names: tuple[str, ...], num_classes: int
) -> tuple[tuple[str, float, int, int], ...]:
    recall, present = recalls(target, predicted, np.ones(len(target)), num_classes)
    support, times = np.bincount(target, minlength=num_classes), np.bincount(predicted, minlength=num_classes)
    order = [label for label in np.lexsort((-support, recall)) if present[label]][:MOST_WORST]
    return tuple((names[label], float(recall[label]), int(support[label]), int(times[label])) for label in order)
