"""Offsets that are fitted to a metric directly, by coordinate ascent over the classes."""

from dataclasses import dataclass

import numpy as np

from longtail.repair.margins import IMPOSSIBLE, spread_of
from longtail.repair.metrics import Metric
from longtail.repair.samples import Samples

SWEEPS, STEPS = 2, 16
LEAST_GAIN = 1e-12  # of the metric; smaller ones are rounding


def fitted_to_metric(samples: Samples, metric: Metric, start: np.ndarray) -> np.ndarray:
    """Offsets (C,) of mean 0 that increase the metric on these samples, by coordinate ascent from `start` (C,).

    The offset of each class is moved to the best of `STEPS` values, which lie between neighbouring quantiles of its
    margins to the best other class; samples for which it or all others are masked have no part in them. It can overfit
    classes with few samples, so it must be scored on other data.

    Example:
        >>> from longtail.repair.metrics import BalancedAccuracy
        >>> rng = np.random.default_rng(0)
        >>> target = rng.integers(0, 2, 500)
        >>> logits = rng.normal(size=(500, 2)) + 2 * np.eye(2)[target] + [3.0, 0.0]  # biased towards class 0
        >>> offset = fitted_to_metric(Samples.of(logits, target), BalancedAccuracy(), np.zeros(2))
        >>> bool(2.5 < offset[1] - offset[0] < 3.5)
        True
    """
    samples = samples.together()
    scores = np.concatenate([logits + start for _, logits in samples.blocks("offsets fitted to the metric")])
    farthest = IMPOSSIBLE * spread_of(samples.margins("offsets fitted to the metric"), samples.weight)
    ranking = _Ranking(scores)
    offset = start.copy()
    best = metric.score(samples.target, ranking.first, samples.weight, samples.num_classes)
    for _ in range(SWEEPS):
        for label in _rarest_first(scores, samples.target):
            rival = ranking.best_other(label)
            margin = ranking.scores_of(rival) - scores[:, label]
            reachable = margin[np.abs(margin) <= farthest]
            if not len(reachable):
                continue
            moves = _between_quantiles(reachable)
            values = _scores_of_moves(moves, margin, rival, label, samples, metric)
            if values.max() > best + LEAST_GAIN:
                move = moves[values.argmax()]
                best = values.max()
                offset[label] += move
                ranking.shift(label, move)
    return np.asarray(offset - offset.mean())


@dataclass
class _Ranking:
    """The best and the second best class of each sample, kept as columns of the scores (N, C) are shifted."""

    scores: np.ndarray

    def __post_init__(self) -> None:
        self.begin = np.arange(len(self.scores)) * self.scores.shape[1]  # of each row in the flattened scores
        self.first, self.second = _two_best(self.scores)

    def best_other(self, label: int) -> np.ndarray:
        """(N,) the best class but `label`."""
        return np.where(self.first == label, self.second, self.first)

    def scores_of(self, labels: np.ndarray) -> np.ndarray:
        """(N,) scores of one class for each sample."""
        return np.asarray(self.scores.ravel().take(self.begin + labels))

    def shift(self, label: int, move: float) -> None:
        """Add `move` to the scores of a class."""
        self.scores[:, label] += move
        taking_part = self.first == label
        taking_part |= self.second == label
        if move > 0:
            taking_part |= self.scores[:, label] >= self.scores_of(self.second)
        changed = np.flatnonzero(taking_part)
        self.first[changed], self.second[changed] = _two_best(self.scores[changed])


def _two_best(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) and (N,) classes; of equal ones the first."""
    rows, first = np.arange(len(scores)), scores.argmax(1)
    best = scores[rows, first]
    scores[rows, first] = -np.inf
    second = scores.argmax(1)
    scores[rows, first] = best
    return first, second


def _between_quantiles(margin: np.ndarray) -> np.ndarray:
    """(STEPS,) values, each in the middle of two neighbouring margins, so that a sample is rarely a tie."""
    ordered = np.sort(margin)
    below = ((np.arange(STEPS) + 0.5) / STEPS * (len(ordered) - 1)).astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    return np.asarray(ordered[below] + (ordered[above] - ordered[below]) / 2)


def _scores_of_moves(
    moves: np.ndarray, margin: np.ndarray, rival: np.ndarray, label: int, samples: Samples, metric: Metric
) -> np.ndarray:
    """(T,) scores with ascending `moves` (T,) of one class: it wins the samples whose margin is below the move."""
    target, weight, num_classes = samples.target, samples.weight, samples.num_classes
    first_win = np.less_equal.outer(moves, margin).sum(0, dtype=np.int8)  # faster than a search among `STEPS` < 128
    cell = np.multiply(first_win, num_classes, dtype=np.int64)
    kept = weight * metric.worth(target, rival)
    gained = weight * metric.worth(target, np.array(label)) - kept
    shape = (len(moves) + 1, num_classes)

    def won(labels: np.ndarray, value: np.ndarray) -> np.ndarray:
        return np.bincount(cell + labels, value, shape[0] * shape[1]).reshape(shape)[:-1].cumsum(0)

    support = np.bincount(target, weight, num_classes)
    worth = np.bincount(target, kept, num_classes) + won(target, gained)
    if not metric.counts_predictions:
        return metric.of_sums(worth, support)
    predicted = np.bincount(rival, weight, num_classes) - won(rival, weight)
    predicted[:, label] += np.bincount(first_win, weight, shape[0])[:-1].cumsum()
    return metric.of_sums(worth, support, predicted)


def _rarest_first(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The classes with samples, in an order that does not depend on that of the columns."""
    labels, count = np.unique(target, return_counts=True)
    margin = np.bincount(target, scores[np.arange(len(target)), target] - scores.max(1))[labels]
    return np.asarray(labels[np.lexsort((margin, count))])
