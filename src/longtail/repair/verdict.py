"""The verdict: use the best candidate, keep the model, or too few samples."""

from collections.abc import Sequence

import numpy as np

from longtail.repair.findings import Outcome, Scores
from longtail.repair.metrics import ExpectedCost

TOO_WIDE = 0.05
ENOUGH_TO_VARY = 3
MOST_NAMED_CLASSES = 12  # with more, results are shown per group of classes
MOST_CHANGES = 3
MOST_LOSERS = 2
LEAST_LOSS = 0.01


def verdict_of(best: Outcome, resolution: float, seen: np.ndarray) -> str:
    """The verdict: "use", "keep" or "too few".

    Args:
        best: the candidate that is chosen.
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
    verdict: str,
    best: Outcome,
    before: Scores,
    metric: str,
    seen: np.ndarray,
    class_names: Sequence[str],
    *,
    limited: bool = False,
) -> str:
    """The verdict in one or two sentences: the candidate, its gain, and changes of recall and accuracy.

    Args:
        verdict: from `verdict_of`.
        best: the candidate that is chosen.
        before: scores of the uncorrected model.
        metric: its name.
        seen: (C,) samples of each class.
        class_names: (C,).
        limited: whether losses were limited.
    """
    low, high = (100 * value for value in best.interval)
    least = int(seen[seen > 0].min())
    most = f"The best candidate, {best.name}, changes {metric} by {low:+.1f} to {high:+.1f} points."
    if metric == ExpectedCost.name:
        most = f"The best candidate, {best.name}, saves {best.interval[0]:.3g} to {best.interval[1]:.3g} per decision."
    if low == high == 0:
        most = "No candidate improves the predictions by more than a standard error."
        if limited:
            most = "Within the limits on losses, no candidate improves the predictions by more than a standard error."
    if verdict == "too few":
        return (
            f"Too few samples to tell: the rarest class here has {least} sample{'s' * (least != 1)}. {most} Keep your "
            "model, or collect more labelled samples of rare classes."
        )
    if verdict == "keep" or best.scores is None:
        return f"No significant gain: keep your model. {most}"
    return (
        f"Use {best.name} (τ = {best.strength:g}): {_gain(best, before, best.scores, metric)}. "
        f"{_recalls(before, best.scores, seen, class_names)}; accuracy on these samples "
        f"{100 * before.accuracy:.1f} → {100 * best.scores.accuracy:.1f}."
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


def _recalls(before: Scores, after: Scores, seen: np.ndarray, class_names: Sequence[str]) -> str:
    """The largest changes of recall per class; with many classes, the mean recall of each group."""
    change = np.nan_to_num(np.abs(after.recall - before.recall))
    largest = [label for label in np.argsort(-change, kind="stable") if change[label] > 0][:MOST_CHANGES]
    changes = _changes(before, after, largest, class_names)
    found = f"Largest changes of recall: {changes or 'none'}"
    if len(class_names) > MOST_NAMED_CLASSES:
        largest = []
        both = zip(before.groups.items(), after.groups.values(), strict=True)
        means = [_change(name, old, new) for (name, old), new in both if old is not None and new is not None]
        found = f"Mean recall: {', '.join(means)}"
    losers = [label for label in _losers(before, after, seen) if label not in largest]
    return f"{found}; most lost by {_changes(before, after, losers, class_names)}" if losers else found


def _losers(before: Scores, after: Scores, seen: np.ndarray) -> list[int]:
    """The classes that lose most right decisions: the loss of a frequent class hides in the mean of its group."""
    lost = np.nan_to_num(before.recall - after.recall)
    most = [int(label) for label in np.argsort(-lost * seen, kind="stable") if lost[label] >= LEAST_LOSS]
    return most[:MOST_LOSERS]


def _changes(before: Scores, after: Scores, labels: Sequence[int], class_names: Sequence[str]) -> str:
    return ", ".join(_change(class_names[label], before.recall[label], after.recall[label]) for label in labels)


def _change(name: str, old: float, new: float) -> str:
    return f"{name} ({100 * old:.1f} → {100 * new:.1f})"
