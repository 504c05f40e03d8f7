"""How far probabilities are from what happens: of the most probable class, and class by class."""

import numpy as np

ENOUGH = 20
BINS = 15


def top_label_error(probability: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    """Expected calibration error of the most probable class, 15 bins of equal width, in [0, 1].

    Args:
        probability: (N, C).
        target: (N,) class indices.
        weight: (N,) of the samples, ≥ 0.
    """
    errors = CalibrationErrors(np.bincount(target, minlength=probability.shape[1]))
    errors.add(probability, target, weight)
    return errors.top_label


def class_wise_error(
    probability: np.ndarray, target: np.ndarray, weight: np.ndarray, enough: int = ENOUGH
) -> tuple[float, int]:
    """The mean over classes of each class's calibration error, and how many classes were pooled into one.

    Classes with fewer than `enough` samples say too little each; they are pooled: one class whose probability is theirs
    together.
    """
    errors = CalibrationErrors(np.bincount(target, minlength=probability.shape[1]), enough)
    errors.add(probability, target, weight)
    return errors.class_wise, errors.pooled


class CalibrationErrors:
    """Both errors, as a stream.

    Args:
        counts: (C,) samples of each class that will come.
        enough: classes with fewer are pooled.
    """

    def __init__(self, counts: np.ndarray, enough: int = ENOUGH) -> None:
        self._alone = np.flatnonzero(counts >= enough)
        self._pooled = np.flatnonzero(counts < enough)
        columns = len(self._alone) + (len(self._pooled) > 0)
        self._top, self._by_class = np.zeros((3, BINS)), np.zeros(columns * BINS)
        self._expected = (
            np.concatenate([counts[self._alone], [counts[self._pooled].sum()] * (len(self._pooled) > 0)]) > 0
        )

    def add(self, probability: np.ndarray, target: np.ndarray, weight: np.ndarray) -> None:
        """Samples: (B, C), (B,) and (B,)."""
        confidence, right = probability.max(1), probability.argmax(1) == target
        bins = bins_of(confidence)
        self._top += [np.bincount(bins, weight * own, BINS) for own in (confidence, right, np.ones(len(right)))]
        columns, own = [probability[:, self._alone]], [target[:, None] == self._alone]
        if len(self._pooled):
            columns.append(probability[:, self._pooled].sum(1, keepdims=True))
            own.append(np.isin(target, self._pooled)[:, None])
        of_columns = np.concatenate(columns, axis=1)
        self._expected |= of_columns.any(0)
        self._by_class += _gaps(of_columns, np.concatenate(own, axis=1), weight)

    @property
    def top_label(self) -> float:
        """In [0, 1]."""
        confidence, right, weight = self._top
        return float(np.abs(confidence - right).sum() / weight.sum())

    @property
    def reliability(self) -> np.ndarray:
        """(B, 3) of the most probable class: mean confidence, accuracy, share of the weight in each bin."""
        confidence, right, weight = self._top[:, self._top[2] > 0]
        return np.stack([confidence / weight, right / weight, weight / weight.sum()], axis=1)

    @property
    def class_wise(self) -> float:
        """In [0, 1]; classes without samples whose probability is always 0 do not count."""
        errors = np.abs(self._by_class.reshape(-1, BINS)).sum(1)[self._expected]
        return float(errors.mean() / self._top[2].sum())

    @property
    def pooled(self) -> int:
        """How many classes."""
        return len(self._pooled)


def _gaps(confidence: np.ndarray, correct: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Σ weight · (confidence − correct) of each column and bin, (columns · BINS,)."""
    bins = bins_of(confidence) + BINS * np.arange(confidence.shape[1])
    gap = weight[:, None] * (confidence - correct)
    return np.bincount(bins.ravel(), gap.ravel(), BINS * confidence.shape[1])


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """The bin of each confidence in [0, 1], of 15 bins of equal width."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
