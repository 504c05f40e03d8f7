"""How far probabilities are from what happens: of the most probable class, and class by class."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from longtail.arguments import as_class_indices, check_integer, from_numpy

ENOUGH = 20
BINS = 15
MOST_OFF = 0.1  # of a row's sum from 1: probabilities of many classes may be rounded to two decimals

Values = np.ndarray | Tensor | Sequence[Any]


def top_label_error(probability: Values, target: Values, weight: Values | None = None) -> float:
    """Expected calibration error of the most probable class, 15 bins of equal width, in [0, 1].

    Args:
        probability: (N, C), rows that sum to 1; arrays, tensors or lists.
        target: (N,) class indices.
        weight: (N,) of the samples, ≥ 0; by default all count alike.

    Raises:
        ValueError: shapes that do not fit, no sample, values that are not probabilities (logits, NaN), labels outside
            [0, C), negative weights.
        TypeError: not numbers; labels that are not integers.

    Example:
        >>> top_label_error([[0.9, 0.1], [0.9, 0.1]], [0, 1])
        0.4

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 5.
    """
    errors = _errors_of(probability, target, weight, ENOUGH)
    return errors.top_label


def class_wise_error(
    probability: Values, target: Values, weight: Values | None = None, enough: int = ENOUGH
) -> tuple[float, int]:
    """The mean over classes of each class's calibration error, and how many classes were pooled into one.

    Classes with fewer than `enough` samples say too little each; they are pooled: one class whose probability is theirs
    together. Arguments and errors as those of `top_label_error`; `enough` is an integer of at least 0.

    Example:
        >>> class_wise_error([[0.9, 0.1], [0.9, 0.1]], [0, 1], enough=1)
        (0.4, 0)

    Source: Kull et al., "Beyond Temperature Scaling", NeurIPS 2019, section 2; pooling is ours.
    """
    check_integer("enough", enough, minimum=0)
    errors = _errors_of(probability, target, weight, enough)
    return errors.class_wise, errors.pooled


def _errors_of(probability: Values, target: Values, weight: Values | None, enough: int) -> "CalibrationErrors":
    rows = _as_array("probability", probability).astype(np.float64, copy=False)
    labels = _as_array("target", target)
    own = np.ones(len(labels)) if weight is None else _as_array("weight", weight).astype(np.float64, copy=False)
    if rows.ndim != 2 or labels.shape != rows.shape[:1] or own.shape != labels.shape or not len(rows):
        raise ValueError(
            "`probability`, `target` and `weight` must have the shapes (N, C), (N,) and (N,), N at least 1. "
            f"Got {rows.shape}, {labels.shape} and {own.shape}."
        )
    _check_probabilities(rows)
    labels = as_class_indices("target", from_numpy("target", labels), rows.shape[1], "Is it of these samples?").numpy()
    if not (np.isfinite(own) & (own >= 0)).all() or not own.any():
        raise ValueError(f"`weight` must hold finite values of at least 0, not all 0. Got {own.min()} to {own.max()}.")
    errors = CalibrationErrors(np.bincount(labels, minlength=rows.shape[1]), enough)
    errors.add(rows, labels, own)
    return errors


def _as_array(name: str, values: Values) -> np.ndarray:
    if isinstance(values, Tensor):
        own = values.detach().cpu()
        return np.asarray(own.double().numpy() if own.is_floating_point() else own.numpy())
    return from_numpy(name, values, shared=True).numpy()


def _check_probabilities(rows: np.ndarray) -> None:
    total = rows.sum(1)
    wrong = ~((rows >= 0).all(1) & (np.abs(total - 1) <= MOST_OFF))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            "`probability` must hold rows of values of at least 0 that sum to 1. Got a minimum of "
            f"{rows[row].min():g} and a sum of {total[row]:g} in row {row}. Are these logits? Take their softmax."
        )


class CalibrationErrors:
    """Calibration errors of samples that are added block by block: `top_label_error` and `class_wise_error`.

    Args:
        counts: (C,) samples of each class in all blocks together, integers.
        enough: classes with fewer samples are pooled into one.

    Example:
        >>> errors = CalibrationErrors(np.array([3, 1]), enough=1)
        >>> for rows, target in [([[0.9, 0.1], [0.9, 0.1]], [0, 1]), ([[0.6, 0.4], [0.6, 0.4]], [0, 0])]:
        ...     errors.add(np.array(rows), np.array(target), np.ones(2))
        >>> round(errors.top_label, 3), round(errors.class_wise, 3), errors.pooled
        (0.4, 0.4, 0)
        >>> errors.reliability.round(2).tolist()  # confidence, accuracy, share of the samples
        [[0.6, 1.0, 0.5], [0.9, 0.5, 0.5]]
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
        """Samples: (B, C) float64 probabilities, (B,) class indices int64 and (B,) weights float64; not checked."""
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

    def merge(self, other: "CalibrationErrors") -> "CalibrationErrors":
        """The errors of the samples of both, which must have been made for the same counts.

        Raises:
            ValueError: other classes are pooled.
        """
        if self._alone.tolist() != other._alone.tolist() or self._pooled.tolist() != other._pooled.tolist():
            raise ValueError(f"`other` must pool the same classes, {self.pooled}. Got {other.pooled}.")
        both = copy.copy(self)
        both._top, both._by_class = self._top + other._top, self._by_class + other._by_class
        both._expected = self._expected | other._expected
        return both

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
