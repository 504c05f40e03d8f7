"""Probabilities that mean something: calibrated under a prior that is named, and how far they are from it."""

import numpy as np
import torch

ENOUGH = 20
BINS = 15
RIDGE = 1e-4
SMALLEST = 1e-30


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
    counts = np.bincount(target, minlength=logits.shape[1])
    weight = sample_weight(target, prior)
    used = weight > 0
    shift = 0.0 if decision is None else torch.from_numpy(decision)
    z, y = torch.from_numpy(logits[used]).double() + shift, torch.from_numpy(target[used])
    w = torch.from_numpy(weight[used] / weight[used].sum())
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    offset = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [log_scale, offset] if decision is None else [log_scale],
        max_iter=200,
        tolerance_grad=1e-7,
        line_search_fn="strong_wolfe",
        history_size=20,
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        log_probs = (z * log_scale.clamp(-5, 5).exp() + offset).log_softmax(1)
        value = -(w * log_probs[torch.arange(len(y)), y]).sum() + RIDGE * offset.square().mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    temperature = float((-log_scale.detach().clamp(-5, 5)).exp())
    if decision is not None:
        return temperature, decision / temperature
    learnt = offset.detach().numpy().copy()
    learnt[counts == 0] = learnt[counts > 0].mean()
    return temperature, learnt - learnt.mean()


def sample_weight(target: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """(N,) weights under which classes come as the prior says: prior / class frequency.

    Example:
        >>> sample_weight(np.array([0, 0, 1]), np.array([0.5, 0.5])).tolist()
        [0.25, 0.25, 0.5]
    """
    counts = np.bincount(target, minlength=len(prior))
    return np.asarray(np.divide(prior, counts, out=np.zeros(len(prior)), where=counts > 0)[target])


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
    return _error(probability.max(1), probability.argmax(1) == target, weight)


def class_wise_error(
    probability: np.ndarray, target: np.ndarray, weight: np.ndarray, enough: int = ENOUGH
) -> tuple[float, int]:
    """The mean over classes of each class's calibration error, and how many classes were pooled into one.

    Classes with fewer than `enough` samples say too little each; they are pooled: one class whose probability is theirs
    together.
    """
    counts = np.bincount(target, minlength=probability.shape[1])
    alone = np.flatnonzero(counts >= enough)
    pooled = np.flatnonzero(counts < enough)
    errors = [_error(probability[:, label], target == label, weight) for label in alone]
    if len(pooled):
        errors.append(_error(probability[:, pooled].sum(1), np.isin(target, pooled), weight))
    return float(np.mean(errors)), len(pooled)


def _error(confidence: np.ndarray, correct: np.ndarray, weight: np.ndarray) -> float:
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, weight * (confidence - correct), BINS)
    return float(np.abs(gap).sum() / weight.sum())
