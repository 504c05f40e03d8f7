"""Temperature and bias calibration of probabilities under a given class prior."""

from typing import NamedTuple

import numpy as np
import torch

from longtail.repair.samples import Samples

RIDGE = 1e-4
SMALLEST = 1e-30
NARROWEST = 1e-140  # least mean standard deviation of rows that are not constant
WIDEST = 6.0  # of the logarithm of the scale
FIRST = 2.0  # bound of its start: T = 1, unless the scale of the logits is so extreme that gradients vanish there
NUMBERS_ENOUGH = 2**26  # most logits in a calibration, which makes many passes; more would not change the result


class FittedCalibration(NamedTuple):
    """Probabilities softmax(z / temperature + offset).

    Attributes:
        temperature: T > 0.
        offset: (C,).
        at_limit: whether T is at the limit of its range, so that the optimum may lie beyond it.
    """

    temperature: float
    offset: np.ndarray
    at_limit: bool


def fit_calibration(
    logits: np.ndarray, target: np.ndarray, prior: np.ndarray, decision: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Temperature T and offsets b of probabilities softmax(z/T + b), calibrated under the class prior `prior`.

    Samples are weighted by prior / class frequency. The weighted log-likelihood is concave in 1/T and b; at its
    maximum the mean prediction equals the prior, which is the fixed point of re-balancing at the best temperature. A
    class without samples gets the mean offset.

    Args:
        logits: (N, C).
        target: (N,) class indices.
        prior: (C,) probabilities.
        decision: (C,) offsets o of the predictions; if given, b = o/T and only T is fitted, so that the most probable
            class is the prediction.

    Returns:
        T > 0 and (C,) offsets of mean 0.

    Source: bias-corrected temperature scaling, Alexandari et al., "Maximum Likelihood with Bias-Corrected Calibration
    is Hard-To-Beat at Label Shift Adaptation", ICML 2020; the weights are ours.
    """
    fitted = calibrated(Samples.of(logits, target), prior, decision)
    return fitted.temperature, fitted.offset


def calibrated(
    samples: Samples, prior: np.ndarray, decision: np.ndarray | None = None, step: str = "calibration"
) -> FittedCalibration:
    """`fit_calibration` in blocks, on a class-balanced subsample if there are more than `NUMBERS_ENOUGH` logits."""
    samples = samples.thinned(NUMBERS_ENOUGH)
    counts = np.bincount(samples.target, minlength=samples.num_classes)
    weight = prior_weight(samples.target, prior, samples.weight)
    samples, weight = samples.where(weight > 0), weight[weight > 0]
    spread = sum(logits.std(1).sum() for _, logits in samples.blocks(step)) / len(samples)
    spread = spread if spread > NARROWEST else 1.0  # constant rows: all scales are equivalent
    shift = torch.zeros(1, dtype=torch.float64) if decision is None else torch.from_numpy(decision)
    # The scale is relative to logits with standard deviation 1, so that the result does not depend on their scale.
    log_scale = torch.tensor(np.clip(np.log(spread), -FIRST, FIRST), dtype=torch.float64, requires_grad=True)
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
            log_probs = (z / spread * log_scale.clamp(-WIDEST, WIDEST).exp() + offset).log_softmax(1)
            own = -(torch.from_numpy(weight[part]) * log_probs[torch.arange(len(y)), y]).sum() / weight.sum()
            own.backward()
            total = total.detach() + own.detach()
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    temperature = spread * float((-log_scale.detach().clamp(-WIDEST, WIDEST)).exp())
    at_limit = bool(log_scale.detach().abs() >= WIDEST)
    if decision is not None:
        return FittedCalibration(temperature, decision / temperature, at_limit)
    learnt = offset.detach().numpy().copy()
    learnt[counts == 0] = learnt[counts > 0].mean()
    return FittedCalibration(temperature, learnt - learnt.mean(), at_limit)


def prior_weight(target: np.ndarray, prior: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """(N,) sample weights under which classes follow the prior: prior / class frequency, times `weight` within a class.

    Example:
        >>> prior_weight(np.array([0, 0, 1]), np.array([0.5, 0.5])).tolist()
        [0.25, 0.25, 0.5]
    """
    own = np.ones(len(target)) if weight is None else weight
    held = np.bincount(target, own, len(prior))
    return np.asarray(own * np.divide(prior, held, out=np.zeros(len(prior)), where=held > 0)[target])


def log_probabilities(probability: np.ndarray, floor: float) -> np.ndarray:
    """Logarithms of probabilities, which are finite also for probabilities of 0."""
    return np.asarray(np.log(np.maximum(probability, floor)))


def floor_of(probability: np.ndarray) -> float:
    """The value that replaces probabilities of 0: half of the smallest positive probability, at least 1e-30.

    A probability of 0 from a forest of 100 trees means less than 0.01, not impossible; the logarithm of a much smaller
    number would dominate all others.

    Example:
        >>> floor_of(np.array([[0.0, 1.0], [0.02, 0.98]]))
        0.01
    """
    positive = probability[probability > 0]
    return max(float(positive.min()) / 2, SMALLEST) if len(positive) else SMALLEST


def probabilities(logits: np.ndarray, temperature: float, offset: np.ndarray) -> np.ndarray:
    """softmax(z/T + b), (N, C) float64.

    Example:
        >>> probabilities(np.array([[0.0, 0.0]]), 2.0, np.array([np.log(3), 0.0])).round(2)
        array([[0.75, 0.25]])
    """
    scores = logits / temperature + offset
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(scores / scores.sum(1, keepdims=True))
