"""What is wrong with a trained model, what would help, and a verdict: from saved predictions alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from longtail.arguments import as_class_counts, check_fraction, check_integer
from longtail.metrics.scores import FEW_BELOW, MANY_ABOVE
from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.posthoc.inputs import as_labels, as_logits
from longtail.repair.calibration import class_wise_error, fit_calibration, probabilities, top_label_error
from longtail.repair.candidates import LeastCost, Offsets, candidates
from longtail.repair.cross_fitting import CrossFitted, cross_fit
from longtail.repair.fix import Fix
from longtail.repair.goals import Goal, make_goal, recalls
from longtail.repair.intervals import interval_of_gain

TOO_WIDE = 0.05
ENOUGH_TO_VARY = 3
KEEP = "the model as it is"


@dataclass(frozen=True)
class Scores:
    """Of one set of decisions: the goal, and the mean recall of each group of classes (None where a group is empty)."""

    goal: float
    groups: dict[str, float | None]
    accuracy: float


@dataclass(frozen=True)
class Outcome:
    """What one candidate does on data that it has not seen.

    Attributes:
        name: of the candidate.
        scores: cross-fitted.
        gain: of the goal over the model as it is.
        interval: of the gain.
        strength: τ that would be served.
        curve: for each strength its scores: what the head pays for the tail.
        failure: why there is nothing but this.
    """

    name: str
    scores: Scores | None = None
    gain: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    strength: float = 0.0
    curve: dict[float, Scores] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True)
class Calibration:
    """Calibration errors under the goal's prior, before and cross-fitted after: of the top label, and by class."""

    top_label: tuple[float, float]
    class_wise: tuple[float, float]
    pooled_classes: int


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
    counts = None if class_counts is None else as_class_counts(class_counts).numpy()
    if counts is not None and len(counts) != num_classes:
        raise ValueError(f"`class_counts` must hold {num_classes} counts, one a class. Got {len(counts)}.")
    aim = make_goal(goal, num_classes, prior, cost)
    parts = class_groups(counts, np.bincount(y, minlength=num_classes))
    raw = z.argmax(1)
    before = _scores(aim, y, raw, parts, num_classes)
    rules = candidates(aim, counts)
    wide = 1 - (1 - level) / len(rules)
    fits: dict[str, CrossFitted] = {}
    outcomes = []
    for number, rule in enumerate(rules, 1):
        if tell is not None:
            tell(f"{number} of {len(rules)}: {rule.name}")
        try:
            fits[rule.name] = cross_fit(rule, z, y, aim, folds=folds, seed=seed, groups=g)
        except NoFixedPointError as error:
            outcomes.append(Outcome(rule.name, failure=str(error)))
            continue
        outcomes.append(_outcome(rule.name, fits[rule.name], aim, y, raw, before, parts, num_classes, wide, seed, g))
    best = max((o for o in outcomes if o.failure is None), key=lambda o: o.gain)
    seen = np.bincount(y, minlength=num_classes)
    verdict = _verdict(best, _resolution(aim, y, raw, fits, num_classes, wide, seed, g), seen)
    target_prior = aim.prior(num_classes)
    used = verdict == "use"
    served = fits[best.name].served if used else None
    offset = best.strength * served.direction if isinstance(served, Offsets) else np.zeros(num_classes)
    temperature, probability_offset = fit_calibration(
        z, y, target_prior, offset if aim.decides_by_probability else None
    )
    fix = Fix(
        offset=offset,
        cost=served.cost if isinstance(served, LeastCost) else None,
        temperature=temperature,
        probability_offset=probability_offset,
        prior=np.where(target_prior > 0, target_prior, 1e-12) / np.where(target_prior > 0, target_prior, 1e-12).sum(),
        class_names=names,
        goal=aim.name,
        method=f"{best.name}, strength {best.strength:g}" if used else KEEP,
        evidence={
            "verdict": verdict,
            "samples": len(y),
            "folds": folds,
            "before": before.goal,
            "after": best.scores.goal if best.scores and used else before.goal,
            "gain_interval": list(best.interval) if used else None,
            "interval_level": wide,
        },
    )
    return Diagnosis(
        goal=aim.name,
        before=before,
        outcomes=tuple(outcomes),
        calibration=_calibration(z, y, aim, fits[best.name], used=used),
        verdict=verdict,
        words=_words(verdict, best, before, aim.name, seen),
        fix=fix,
        groups={name: int(members.sum()) for name, members in parts.items()},
        worst=_worst(y, raw, names, num_classes),
        samples=len(y),
    )


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


def _scores(
    goal: Goal, target: np.ndarray, predicted: np.ndarray, groups: dict[str, np.ndarray], num_classes: int
) -> Scores:
    count = np.ones(len(target))
    recall, present = recalls(target, predicted, count, num_classes)
    by_group = {
        name: float(recall[members & present].mean()) if (members & present).any() else None
        for name, members in groups.items()
    }
    return Scores(goal.score(target, predicted, count, num_classes), by_group, float((target == predicted).mean()))


def _outcome(
    name: str,
    fitted: CrossFitted,
    goal: Goal,
    target: np.ndarray,
    raw: np.ndarray,
    before: Scores,
    parts: dict[str, np.ndarray],
    num_classes: int,
    level: float,
    seed: int,
    groups: np.ndarray | None,
) -> Outcome:
    scores = _scores(goal, target, fitted.predicted, parts, num_classes)
    return Outcome(
        name,
        scores,
        scores.goal - before.goal,
        interval_of_gain(goal, target, raw, fitted.predicted, num_classes, level=level, seed=seed, groups=groups),
        fitted.strength,
        {step: _scores(goal, target, decisions, parts, num_classes) for step, decisions in fitted.curve.items()},
    )


def _resolution(
    goal: Goal,
    target: np.ndarray,
    raw: np.ndarray,
    fits: dict[str, CrossFitted],
    num_classes: int,
    level: float,
    seed: int,
    groups: np.ndarray | None,
) -> float:
    """Half the widest interval of a rule's gain at full strength: a gain smaller than this could not be told."""
    intervals = [
        interval_of_gain(goal, target, raw, fitted.curve[1.0], num_classes, level=level, seed=seed, groups=groups)
        for fitted in fits.values()
    ]
    return max((high - low) / 2 for low, high in intervals)


def _verdict(best: Outcome, resolution: float, seen: np.ndarray) -> str:
    if best.interval[0] > 0 and best.strength > 0:
        return "use"
    # Classes of one sample do not vary in a bootstrap: where most are such, its intervals say nothing.
    few = np.median(seen[seen > 0]) < ENOUGH_TO_VARY
    return "too few" if few or resolution > TOO_WIDE else "keep"


def _words(verdict: str, best: Outcome, before: Scores, goal: str, seen: np.ndarray) -> str:
    low, high = (100 * value for value in best.interval)
    least = int(seen[seen > 0].min())
    most = f"What would help most, {best.name}, changes {goal} by {low:+.1f} to {high:+.1f} points."
    if low == high == 0:
        most = "Nothing that was tried makes the decisions better."
    if verdict == "too few":
        return (
            f"Too few samples to tell: the rarest class here has {least} sample{'s' * (least != 1)}. {most} Keep your "
            "model, or bring more labelled samples of rare classes."
        )
    if verdict == "keep" or best.scores is None:
        return f"No gain beyond noise: keep your model. {most}"
    changes = [
        f"{name} {100 * (old or 0):.1f} → {100 * new:.1f}"
        for (name, old), new in zip(before.groups.items(), best.scores.groups.values(), strict=True)
        if new is not None
    ]
    return (
        f"Use {best.name} (strength {best.strength:g}): {goal} {100 * before.goal:.1f} → {100 * best.scores.goal:.1f}, "
        f"a gain of {100 * best.gain:.1f} points ({low:+.1f} to {high:+.1f}). Mean recall: {', '.join(changes)}."
    )


def _calibration(logits: np.ndarray, target: np.ndarray, goal: Goal, fitted: CrossFitted, *, used: bool) -> Calibration:
    """Of what is served, but fitted without the fold that it is measured on."""
    prior = goal.prior(logits.shape[1])
    after = np.empty_like(logits)
    for number in np.unique(fitted.fold):
        held_out, rest = fitted.fold == number, fitted.fold != number
        decision = fitted.fold_offsets[number] * used if goal.decides_by_probability else None
        temperature, offset = fit_calibration(logits[rest], target[rest], prior, decision)
        after[held_out] = probabilities(logits[held_out], temperature, offset)
    counts = np.bincount(target, minlength=logits.shape[1])
    weight = np.divide(prior, counts, out=np.zeros(len(prior)), where=counts > 0)[target]
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
