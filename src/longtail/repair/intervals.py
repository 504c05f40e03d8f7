"""How far a difference of two scores may be chance: a paired bootstrap on counts."""

import numpy as np

from longtail.repair.goals import Goal

DRAWS = 1000


def interval_of_gain(
    goal: Goal,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """The percentile interval of score(after) − score(before) on the same samples.

    Samples are drawn within their classes, for the class frequencies of a validation set are no chance; what is drawn
    are counts of (class, before, after), not copies of samples. With groups whole groups are drawn.

    Args:
        goal: whose score it is.
        target: (N,) class indices.
        before: (N,) predictions.
        after: (N,) predictions.
        num_classes: C.
        level: of the interval, in (0, 1).
        draws: how often.
        seed: of the draws.
        groups: (N,) samples of one group are not independent of each other.
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        (target, before, after), counts = _cells(target, before, after, num_classes)
        weights = _drawn_within_classes(target, counts, draws, rng)
    else:
        _, member = np.unique(groups, return_inverse=True)
        number = int(member.max()) + 1
        weights = rng.multinomial(number, np.full(number, 1 / number), size=draws)[:, member]
    gains = [
        goal.score(target, after, weight, num_classes) - goal.score(target, before, weight, num_classes)
        for weight in weights.astype(np.float64)
    ]
    low, high = np.quantile(gains, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _cells(
    target: np.ndarray, before: np.ndarray, after: np.ndarray, num_classes: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    key = (target.astype(np.int64) * num_classes + before) * num_classes + after
    cells, counts = np.unique(key, return_counts=True)
    rest, after = np.divmod(cells, num_classes)
    target, before = np.divmod(rest, num_classes)
    return (target, before, after), counts


def _drawn_within_classes(target: np.ndarray, counts: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    weights = np.empty((draws, len(counts)), dtype=np.int32)
    for label in np.unique(target):
        cells = target == label
        total = counts[cells].sum()
        weights[:, cells] = rng.multinomial(total, counts[cells] / total, size=draws)
    return weights
