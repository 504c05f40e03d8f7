"""What is wrong with a trained model, what would help, and a verdict: from saved predictions alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from longtail.arguments import as_class_counts, check_fraction, check_integer
from longtail.metrics.scores import FEW_BELOW, MANY_ABOVE
from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.posthoc.inputs import as_labels, as_logits
from longtail.repair.calibration import class_wise_error, fit_calibration, probabilities, sample_weight, top_label_error
from longtail.repair.candidates import LeastCost, Offsets, candidates
from longtail.repair.cross_fitting import CrossFitted, cross_fit
from longtail.repair.findings import Calibration, Diagnosis, Outcome
from longtail.repair.fix import Fix
from longtail.repair.goals import Goal, make_goal, recalls
from longtail.repair.judge import Judge
from longtail.repair.verdict import in_words, verdict_of

KEEP = "the model as it is"
LEAST_PRIOR = 1e-12


def diagnose(
    logits: np.ndarray | Tensor,
    target: np.ndarray | Tensor | Sequence[int],
    *,
    goal: str = "balanced-accuracy",
    prior: str | np.ndarray | Tensor | list[float] = "uniform",
    cost: np.ndarray | None = None,
    class_counts: Tensor | np.ndarray | Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    groups: np.ndarray | Sequence[object] | None = None,
    folds: int = 5,
    level: float = 0.95,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Find out whether re-balancing helps a trained model, how much, and what it costs.

    Each number is of data that the fit has not seen: offsets are fitted, and their strength is chosen, on other folds.
    The verdict is "use" only if the gain's interval, widened for the number of candidates, lies above 0.

    Args:
        logits: (N, C), finite, of data that the model was not trained on; of probabilities their logarithms.
        target: (N,) class indices.
        goal: one of `longtail.repair.GOALS`.
        prior: for the goals "accuracy" and "cost": how often classes will come.
        cost: (C, C) for the goal "cost": row c, column j is what it costs to take class c for class j.
        class_counts: (C,) training samples of each class, if known.
        class_names: (C,); by default 0, 1, ….
        groups: (N,) samples of one group stay together.
        folds: at least 2.
        level: of the intervals, in (0, 1).
        seed: of folds and bootstrap.
        tell: is told what begins, for work that takes a while.

    Raises:
        ValueError, TypeError, IndexError: inputs that do not fit; fewer than two classes with samples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> target = rng.integers(0, 3, 900)
        >>> logits = rng.normal(size=(900, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
        >>> diagnosis = diagnose(logits, target)
        >>> diagnosis.verdict, diagnosis.fix.offset.round()
        ('use', array([-1.,  0.,  1.]))
    """
    z, y, g = _checked(logits, target, groups)
    num_classes = z.shape[1]
    check_integer("folds", folds, minimum=2)
    check_integer("seed", seed, minimum=0)
    check_fraction("level", level)
    names = _names(class_names, num_classes)
    counts = _counts(class_counts, num_classes)
    aim = make_goal(goal, num_classes, prior, cost)
    seen = np.bincount(y, minlength=num_classes)
    rules = candidates(aim, counts)
    judge = Judge(aim, y, z.argmax(1), class_groups(counts, seen), 1 - (1 - level) / len(rules), seed, g)
    fits: dict[str, CrossFitted] = {}
    outcomes = []
    for number, rule in enumerate(rules, 1):
        if tell is not None:
            tell(f"{number} of {len(rules)}: {rule.name}")
        try:
            fits[rule.name] = cross_fit(rule, z, y, aim, folds=folds, seed=seed, groups=g)
        except NoFixedPointError as error:
            outcomes.append(Outcome(rule.name, failure=str(error)))
        else:
            outcomes.append(judge.outcome(rule.name, fits[rule.name]))
    best = max((outcome for outcome in outcomes if outcome.failure is None), key=lambda outcome: outcome.gain)
    verdict = verdict_of(best, judge.resolution(fits.values()), seen)
    before = judge.scores(judge.raw)
    evidence = {
        "verdict": verdict,
        "samples": len(y),
        "folds": folds,
        "before": before.goal,
        "after": best.scores.goal if best.scores and verdict == "use" else before.goal,
        "gain_interval": list(best.interval) if verdict == "use" else None,
        "interval_level": judge.level,
    }
    return Diagnosis(
        goal=aim.name,
        before=before,
        outcomes=tuple(outcomes),
        calibration=_calibration(z, y, aim, fits[best.name], used=verdict == "use"),
        verdict=verdict,
        words=in_words(verdict, best, before, aim.name, seen),
        fix=_fix(z, y, aim, best, fits[best.name] if verdict == "use" else None, names, evidence),
        groups={name: int(members.sum()) for name, members in judge.parts.items()},
        worst=_worst(y, judge.raw, names, num_classes),
        samples=len(y),
    )


def _fix(
    logits: np.ndarray,
    target: np.ndarray,
    goal: Goal,
    best: Outcome,
    used: CrossFitted | None,
    names: tuple[str, ...],
    evidence: dict[str, Any],
) -> Fix:
    """What would be served: the best candidate if it is used, else the model as it is, calibrated."""
    prior = goal.prior(logits.shape[1])
    served = None if used is None else used.served
    offset = best.strength * served.direction if isinstance(served, Offsets) else np.zeros(len(prior))
    temperature, probability_offset = fit_calibration(
        logits, target, prior, offset if goal.decides_by_probability else None
    )
    positive = np.maximum(prior, LEAST_PRIOR)  # its logarithm is asked for where another prior takes its place
    return Fix(
        offset=offset,
        cost=served.cost if isinstance(served, LeastCost) else None,
        temperature=temperature,
        probability_offset=probability_offset,
        prior=positive / positive.sum(),
        class_names=names,
        goal=goal.name,
        method=KEEP if used is None else f"{best.name}, strength {best.strength:g}",
        evidence=evidence,
    )


def _counts(class_counts: Tensor | np.ndarray | Sequence[float] | None, num_classes: int) -> np.ndarray | None:
    if class_counts is None:
        return None
    counts: np.ndarray = as_class_counts(class_counts).numpy()
    if len(counts) != num_classes:
        raise ValueError(f"`class_counts` must hold {num_classes} counts, one a class. Got {len(counts)}.")
    return counts


def class_groups(class_counts: np.ndarray | None, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Many / medium / few by training counts; without them, thirds of the classes by their samples here."""
    if class_counts is not None:
        many, few = class_counts > MANY_ABOVE, class_counts < FEW_BELOW
        return {"many": many, "medium": ~many & ~few, "few": few}
    rank = np.empty(len(seen), dtype=np.int64)
    rank[np.argsort(-seen, kind="stable")] = np.arange(len(seen))
    third = rank * 3 // len(seen)
    return {"head third": third == 0, "middle third": third == 1, "tail third": third == 2}


def _checked(
    logits: np.ndarray | Tensor, target: np.ndarray | Tensor | Sequence[int], groups: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    tensor = as_logits(logits)
    if tensor.dim() != 2 or not len(tensor):
        raise ValueError(f"`logits` must have the shape (N, C) with N at least 1. Got {tuple(tensor.shape)}.")
    labels = as_labels(target if isinstance(target, (np.ndarray, Tensor)) else list(target), *tensor.shape).numpy()
    if len(np.unique(labels)) < 2:
        raise ValueError(f"`target` must hold at least two classes. Got class {labels[0]} alone.")
    checked_groups = None if groups is None else np.asarray(groups)
    if checked_groups is not None and checked_groups.shape != labels.shape:
        raise ValueError(f"`groups` must hold one group a sample, ({len(labels)},). Got {checked_groups.shape}.")
    if checked_groups is not None and len(np.unique(checked_groups)) < 2:
        raise ValueError("`groups` must hold at least two groups, or nothing is left to judge by. Got one.")
    return tensor.cpu().double().numpy(), labels, checked_groups


def _names(class_names: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
    names = tuple(map(str, range(num_classes) if class_names is None else class_names))
    if len(names) != num_classes:
        raise ValueError(f"`class_names` must hold {num_classes} names, one a class. Got {len(names)}.")
    if len(set(names)) < num_classes:
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"`class_names` must differ from each other. Got {twice!r} twice.")
    return names


def _calibration(logits: np.ndarray, target: np.ndarray, goal: Goal, fitted: CrossFitted, *, used: bool) -> Calibration:
    """Of what is served, but fitted without the fold that it is measured on."""
    prior = goal.prior(logits.shape[1])
    after = np.empty_like(logits)
    for number in np.unique(fitted.fold):
        held_out, rest = fitted.fold == number, fitted.fold != number
        decision = fitted.fold_offsets[number] * used if goal.decides_by_probability else None
        temperature, offset = fit_calibration(logits[rest], target[rest], prior, decision)
        after[held_out] = probabilities(logits[held_out], temperature, offset)
    weight = sample_weight(target, prior)
    before = probabilities(logits, 1.0, np.zeros(logits.shape[1]))
    class_before, pooled = class_wise_error(before, target, weight)
    return Calibration(
        (top_label_error(before, target, weight), top_label_error(after, target, weight)),
        (class_before, class_wise_error(after, target, weight)[0]),
        pooled,
    )


def _worst(
    target: np.ndarray, predicted: np.ndarray, names: tuple[str, ...], num_classes: int, number: int = 5
) -> tuple[tuple[str, float, int, int], ...]:
    recall, present = recalls(target, predicted, np.ones(len(target)), num_classes)
    support, times = np.bincount(target, minlength=num_classes), np.bincount(predicted, minlength=num_classes)
    order = [label for label in np.lexsort((-support, recall)) if present[label]][:number]
    return tuple((names[label], float(recall[label]), int(support[label]), int(times[label])) for label in order)
