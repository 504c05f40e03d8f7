"""The verdict: use what helps most, keep the model, or too few samples to tell."""

import numpy as np

from longtail.repair.findings import Outcome, Scores

TOO_WIDE = 0.05
ENOUGH_TO_VARY = 3


def verdict_of(best: Outcome, resolution: float, seen: np.ndarray) -> str:
    """One of the words "use", "keep" and "too few".

    Args:
        best: the candidate of the largest gain.
        resolution: a gain smaller than this could not be told.
        seen: (C,) samples of each class.
    """
    if best.interval[0] > 0 and best.strength > 0:
        return "use"
    # Classes of one sample do not vary in a bootstrap: where most are such, its intervals say nothing.
    few = np.median(seen[seen > 0]) < ENOUGH_TO_VARY
    return "too few" if few or resolution > TOO_WIDE else "keep"


def summary_of(verdict: str, best: Outcome, before: Scores, metric: str, seen: np.ndarray) -> str:
    """The verdict as a sentence or two: what to use, its gain on the tail, its cost on the head."""
    low, high = (100 * value for value in best.interval)
    least = int(seen[seen > 0].min())
    most = f"What would help most, {best.name}, changes {metric} by {low:+.1f} to {high:+.1f} points."
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
    changes.append(f"accuracy on these data {100 * before.accuracy:.1f} → {100 * best.scores.accuracy:.1f}")
    return (
        f"Use {best.name} (τ = {best.strength:g}): {metric} {100 * before.score:.1f} → {100 * best.scores.score:.1f}, "
        f"a gain of {100 * best.gain:.1f} points ({low:+.1f} to {high:+.1f}). Mean recall: {', '.join(changes)}."
    )
