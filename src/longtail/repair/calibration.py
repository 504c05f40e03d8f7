"""Probabilities that mean something: calibrated under a prior that is named, and how far they are from it."""

import numpy as np
import torch

from longtail.repair.samples import Samples

ENOUGH = 20
BINS = 15
RIDGE = 1e-4
SMALLEST = 1e-30
NUMBERS_ENOUGH = 2**26  # logits that a calibration looks at: many passes, and more of them would not change it


def fit_calibration(
    logits: np.ndarray, target: np.ndarray, prior: np.ndarray, decision: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Temperature T and offsets b of probabilities softmax(z/T + b), calibrated where classes come as `prior` says.

    Samples are weighted by prior / class frequency. The weighted log-likelihood is concave in 1/T and b; at its top the
    mean prediction is the prior: the fixed point of re-balancing, at the best temperature. A class without a sample
    gets the mean offset.

    Args:
        logits: (N, C).
        target: (N,) class indices.
        prior: (C,) probabilities.
        decision: (C,) offsets o that the most probable class is to agree with: b is o/T then, and T alone is fitted.

    Returns:
        T > 0 and (C,) offsets of mean 0.

    Source: bias-corrected temperature scaling, Alexandari et al., "Maximum Likelihood with Bias-Corrected Calibration
    is Hard-To-Beat at Label Shift Adaptation", ICML 2020; the weights are ours.
    """
    return calibrated(Samples.of(logits, target), prior, decision)


def calibrated(
    samples: Samples, prior: np.ndarray, decision: np.ndarray | None = None, step: str = "calibration"
) -> tuple[float, np.ndarray]:
    """`fit_calibration`, as a stream; of more than `NUMBERS_ENOUGH` logits on a part, drawn alike from all classes."""
    samples = samples.thinned(NUMBERS_ENOUGH)
    counts = np.bincount(samples.target, minlength=samples.num_classes)
    weight = prior_weight(samples.target, prior, samples.weight)
    samples, weight = samples.where(weight > 0), weight[weight > 0]
    shift = torch.zeros(1, dtype=torch.float64) if decision is None else torch.from_numpy(decision)
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    offset = torch.zeros(samples.num_classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [log_scale, offset] if decision is None else [log_scale],
        max_iter=200,
        tolerance_grad=1e-7,
        line_search_fn="strong_wolfe",
        history_size=20,
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        total = RIDGE * offset.square().mean()
        total.backward()  # type: ignore[no-untyped-call]
        for part, logits in samples.blocks(step):
            z, y = torch.from_numpy(logits) + shift, torch.from_numpy(samples.target[part])
            log_probs = (z * log_scale.clamp(-5, 5).exp() + offset).log_softmax(1)
            own = -(torch.from_numpy(weight[part]) * log_probs[torch.arange(len(y)), y]).sum() / weight.sum()
            own.backward()
            total = total.detach() + own.detach()
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    temperature = float((-log_scale.detach().clamp(-5, 5)).exp())
    if decision is not None:
        return temperature, decision / temperature
    learnt = offset.detach().numpy().copy()
    learnt[counts == 0] = learnt[counts > 0].mean()
    return temperature, learnt - learnt.mean()


def prior_weight(target: np.ndarray, prior: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """(N,) weights under which classes come as the prior says: prior / class frequency, within a class as `weight`.

    Example:
        >>> prior_weight(np.array([0, 0, 1]), np.array([0.5, 0.5])).tolist()
        [0.25, 0.25, 0.5]
    """
    own = np.ones(len(target)) if weight is None else weight
    held = np.bincount(target, own, len(prior))
    return np.asarray(own * np.divide(prior, held, out=np.zeros(len(prior)), where=held > 0)[target])


def log_probabilities(probability: np.ndarray) -> np.ndarray:
    """Logarithms that are finite also where a probability is 0: scores that take the place of logits."""
    return np.asarray(np.log(np.maximum(probability, SMALLEST)))


def probabilities(logits: np.ndarray, temperature: float, offset: np.ndarray) -> np.ndarray:
    """softmax(z/T + b), (N, C) float64.

    Example:
        >>> probabilities(np.array([[0.0, 0.0]]), 2.0, np.array([np.log(3), 0.0])).round(2)
        array([[0.75, 0.25]])
    """
    scores = logits / temperature + offset
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(scores / scores.sum(1, keepdims=True))


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

    def add(self, probability: np.ndarray, target: np.ndarray, weight: np.ndarray) -> None:
        """Samples: (B, C), (B,) and (B,)."""
        confidence, right = probability.max(1), probability.argmax(1) == target
        bins = _bins(confidence)
        self._top += [np.bincount(bins, weight * own, BINS) for own in (confidence, right, np.ones(len(right)))]
        columns, own = [probability[:, self._alone]], [target[:, None] == self._alone]
        if len(self._pooled):
            columns.append(probability[:, self._pooled].sum(1, keepdims=True))
            own.append(np.isin(target, self._pooled)[:, None])
        self._by_class += _gaps(np.concatenate(columns, axis=1), np.concatenate(own, axis=1), weight)

    @property
    def top_label(self) -> float:
        """In [0, 1]."""
        confidence, right, weight = self._top
        return float(np.abs(confidence - right).sum() / weight.sum())

    @property
    def reliability(self) -> np.ndarray:
        """(B, 3) of the most probable class: mean confidence, share that was right, share of the weight in each bin."""
        confidence, right, weight = self._top[:, self._top[2] > 0]
        return np.stack([confidence / weight, right / weight, weight / weight.sum()], axis=1)

    @property
    def class_wise(self) -> float:
        """In [0, 1]."""
        return float(np.abs(self._by_class.reshape(-1, BINS)).sum(1).mean() / self._top[2].sum())

    @property
    def pooled(self) -> int:
        """How many classes."""
        return len(self._pooled)


def _gaps(confidence: np.ndarray, correct: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Σ weight · (confidence − correct) of each column and bin, (columns · BINS,)."""
    bins = _bins(confidence) + BINS * np.arange(confidence.shape[1])
    gap = weight[:, None] * (confidence - correct)
    return np.bincount(bins.ravel(), gap.ravel(), BINS * confidence.shape[1])


def _bins(confidence: np.ndarray) -> np.ndarray:
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
