"""The verdict: use the best candidate, keep the model, or too few samples."""

from collections.abc import Sequence

import numpy as np

from longtail.repair.findings import Outcome, Scores
from longtail.repair.metrics import ExpectedCost

TOO_WIDE = 0.05
ENOUGH_TO_VARY = 3
MOST_NAMED_CLASSES = 12  # with more, results are shown per group of classes
MOST_CHANGES = 3


def verdict_of(best: Outcome, resolution: float, seen: np.ndarray) -> str:
    """The verdict: "use", "keep" or "too few".

    Args:
        best: the candidate with the largest gain.
        resolution: smaller gains could not be detected.
        seen: (C,) samples of each class.
    """
    if best.interval[0] > 0 and best.strength > 0:
        return "use"
    # The variance of a class with one sample is taken from other classes: if most are such, intervals say little.
    few = np.median(seen[seen > 0]) < ENOUGH_TO_VARY
    return "too few" if few or resolution > TOO_WIDE else "keep"


MISMATCH = (
    "The model decides worse than chance, so scores and labels do not seem to belong together, and no fix is offered. "
    "Check the order of the samples and of the classes."
)


def summary_of(
    verdict: str, best: Outcome, before: Scores, metric: str, seen: np.ndarray, class_names: Sequence[str]
) -> str:
    """The verdict in one or two sentences: the candidate, its gain, and changes of recall and accuracy."""
    low, high = (100 * value for value in best.interval)
    least = int(seen[seen > 0].min())
    most = f"The best candidate, {best.name}, changes {metric} by {low:+.1f} to {high:+.1f} points."
    if metric == ExpectedCost.name:
        most = f"The best candidate, {best.name}, saves {best.interval[0]:.3g} to {best.interval[1]:.3g} per decision."
    if low == high == 0:
        most = "No candidate improves the predictions."
    if verdict == "too few":
        return (
            f"Too few samples to tell: the rarest class here has {least} sample{'s' * (least != 1)}. {most} Keep your "
            "model, or collect more labelled samples of rare classes."
        )
    if verdict == "keep" or best.scores is None:
        return f"No significant gain: keep your model. {most}"
    recalls = _recalls(before, best.scores, class_names)
    return (
        f"Use {best.name} (τ = {best.strength:g}): {_gain(best, before, best.scores, metric)}. {recalls}; "
        f"accuracy on these samples {100 * before.accuracy:.1f} → {100 * best.scores.accuracy:.1f}."
    )


def _gain(best: Outcome, before: Scores, after: Scores, metric: str) -> str:
    """The change of the metric with its interval; of costs per decision, in the unit of the cost matrix."""
    low, high = best.interval
    if metric == ExpectedCost.name:
        cost = f"expected cost per decision {-before.score:.3g} → {-after.score:.3g}"
        return f"{cost}, a saving of {best.gain:.3g} ({low:.3g} to {high:.3g})"
    return (
        f"{metric} {100 * before.score:.1f} → {100 * after.score:.1f}, "
        f"a gain of {100 * best.gain:.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    )


def _recalls(before: Scores, after: Scores, class_names: Sequence[str]) -> str:
    """The largest changes of recall per class; with many classes, the mean recall of each group."""
    if len(class_names) > MOST_NAMED_CLASSES:
        both = zip(before.groups.items(), after.groups.values(), strict=True)
        changes = [_change(name, old, new) for (name, old), new in both if old is not None and new is not None]
        return f"Mean recall: {', '.join(changes)}"
    change = np.nan_to_num(np.abs(after.recall - before.recall))
    most = [label for label in np.argsort(-change, kind="stable") if change[label] > 0][:MOST_CHANGES]
    changes = [_change(class_names[label], before.recall[label], after.recall[label]) for label in most]
    return f"Largest changes of recall: {', '.join(changes) or 'none'}"


def _change(name: str, old: float, new: float) -> str:
    return f"{name} ({100 * old:.1f} → {100 * new:.1f})"
