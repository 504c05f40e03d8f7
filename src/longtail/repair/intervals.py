"""Bootstrap intervals of a difference of two scores, paired by sample."""

import numpy as np

from longtail.repair.metrics import Metric

DRAWS = 1000
NUMBERS_AT_ONCE = 2**18


def interval_of_gain(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    num_classes: int,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> tuple[float, float]:
    """The percentile interval of score(after) − score(before) on the same samples.

    The bootstrap is stratified by class, because the class frequencies of a validation set are fixed. It draws counts
    of (class, before, after) rather than samples. With groups, it draws whole groups.

    Args:
        metric: the metric.
        target: (N,) class indices.
        before: (N,) predictions.
        after: (N,) predictions.
        num_classes: C.
        level: of the interval, in (0, 1).
        draws: number of bootstrap samples.
        seed: of the draws.
        groups: (N,) samples of one group are not independent of each other.
        weight: (N,) sample weights; by default 1.
    """
    rng = np.random.default_rng(seed)
    value, size = np.ones(len(target)) if weight is None else weight, np.ones(len(target), dtype=np.int64)
    if groups is not None:
        _, member = np.unique(groups, return_inverse=True)
    elif (value == value[0]).all():
        (target, before, after), size = _cells(target, before, after, num_classes)
        value = np.ones(len(size))
    else:
        order = np.argsort(target, kind="stable")
        target, before, after, value = target[order], before[order], after[order], value[order]
    gains: list[float] = []
    while len(gains) < draws:
        number = min(draws - len(gains), max(1, NUMBERS_AT_ONCE // len(size)))
        drawn = _within_classes(target, size, number, rng) if groups is None else _whole_groups(member, number, rng)
        for count in drawn * value:
            old, new = (metric.score(target, predicted, count, num_classes) for predicted in (before, after))
            gains.append(new - old)
    low, high = np.quantile(gains, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _cells(
    target: np.ndarray, before: np.ndarray, after: np.ndarray, num_classes: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """The distinct triples, sorted by class, and their counts."""
    key = (target.astype(np.int64) * num_classes + before) * num_classes + after
    cells, counts = np.unique(key, return_counts=True)
    rest, after = np.divmod(cells, num_classes)
    target, before = np.divmod(rest, num_classes)
    return (target, before, after), counts


def _within_classes(target: np.ndarray, size: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws, cells) how often each cell is drawn; `target` is sorted."""
    drawn = np.empty((draws, len(size)), dtype=np.int64)
    ends = [*np.flatnonzero(np.diff(target)) + 1, len(target)]
    for start, end in zip([0, *ends], ends, strict=False):
        own = size[start:end]
        drawn[:, start:end] = rng.multinomial(own.sum(), own / own.sum(), size=draws)
    return drawn


def _whole_groups(member: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws, N) how often each sample's group is drawn."""
    number = int(member.max()) + 1
    return np.asarray(rng.multinomial(number, np.full(number, 1 / number), size=draws)[:, member])
