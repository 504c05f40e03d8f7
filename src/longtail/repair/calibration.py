"""Temperature and bias calibration of probabilities under a given class prior."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from longtail.class_vectors import as_prior
from longtail.posthoc.inputs import as_labels, as_logit_rows
from longtail.repair.likelihood import WIDEST, Likelihood, maximum
from longtail.repair.margins import IMPOSSIBLE, own_margins, spread_of
from longtail.repair.samples import FEW_NUMBERS, Samples

RIDGE = 1e-4
SMALLEST = 1e-30
FAR = 100.0  # times the usual margin: probabilities of samples so far from a decision are 0 or 1 at any sensible T
NUMBERS_ENOUGH = 2**24  # most logits in a calibration, which makes many passes; more would not change the result


class FittedCalibration(NamedTuple):
    """Probabilities softmax(z / temperature + offset).

    Attributes:
        temperature: T > 0.
        offset: (C,).
        at_limit: whether no T maximises the likelihood: it rises to T → 0 or to T → ∞, or beyond the range of T.
    """

    temperature: float
    offset: np.ndarray
    at_limit: bool


def fit_calibration(
    logits: np.ndarray,
    target: np.ndarray,
    prior: str | np.ndarray,
    decision: np.ndarray | None = None,
    line: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """Temperature T and offsets b of probabilities softmax(z/T + b), calibrated under the class prior `prior`.

    Samples are weighted by prior / class frequency. The weighted log-likelihood is concave in 1/T and b; at its
    maximum the mean prediction equals the prior, which is the fixed point of re-balancing at the best temperature. A
    class without samples gets the mean offset.

    Args:
        logits: (N, C) floating point; −inf for masked classes, but not for a sample's own.
        target: (N,) class indices.
        prior: (C,) probabilities, or "uniform".
        decision: (C,) offsets o of the predictions; if given, b = o/T and only T is fitted, so that the most probable
            class is the prediction.
        line: (C,) if given, offsets are a multiple of it, of which there are two numbers to fit. With the logarithm of
            the class frequencies of training for few samples per class, or for logits of a loss that adjusts them.

    Returns:
        T > 0 and (C,) offsets of mean 0.

    Raises:
        ValueError, TypeError: shapes or values other than those above; a prior of 0 for all classes that have samples;
            both `decision` and `line`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> target = rng.integers(0, 3, 300)
        >>> logits = 2 * np.eye(3)[target] + rng.normal(size=(300, 3))
        >>> temperature, offset = fit_calibration(6 * logits, target, "uniform")  # the exact posterior has 2 * logits
        >>> 2 < temperature < 4, offset.shape
        (True, (3,))

    Source: bias-corrected temperature scaling, Alexandari et al., "Maximum Likelihood with Bias-Corrected Calibration
    is Hard-To-Beat at Label Shift Adaptation", ICML 2020; the weights are ours.
    """
    samples = _checked(logits, target)
    own = as_prior("prior", prior, samples.num_classes).numpy()
    if not own[samples.target].any():
        raise ValueError("`prior` must be above 0 for a class that has samples. It is 0 for all of them.")
    if decision is not None and line is not None:
        raise ValueError("`line` must be None with `decision`, which says the offsets. Pass one of them.")
    direction = _of_classes("line", line, own.shape)
    fitted = calibrated(samples, own, _of_classes("decision", decision, own.shape), line=direction)
    return fitted.temperature, fitted.offset


def _of_classes(name: str, values: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    if values is None:
        return None
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"`{name}` must hold one finite number per class, {shape}. Got {found.tolist()!r:.80}.")
    return found


def _checked(logits: np.ndarray, target: np.ndarray) -> Samples:
    given = as_logit_rows(logits, masked=True)
    labels = as_labels(target, *given.shape).numpy()
    rows = given.cpu().double().numpy()
    masked = rows[np.arange(len(rows)), labels] == -np.inf
    if masked.any():
        raise ValueError(
            f"`logits` must be above -inf for the class of the sample. Got -inf in row {masked.argmax()}. "
            "Drop the sample or correct its label."
        )
    return Samples.of(rows, labels)


def calibrated(
    samples: Samples,
    prior: np.ndarray,
    decision: np.ndarray | None = None,
    step: str = "calibration",
    numbers: int = NUMBERS_ENOUGH,
    line: np.ndarray | None = None,
) -> FittedCalibration:
    """`fit_calibration` in blocks, on a class-balanced subsample if there are more than `numbers` logits.

    With `line` (C,) the offsets are a multiple of it: two parameters, for classes of too few samples to have their own.

    Samples whose margin is more than `FAR` times the usual one are not used: they are broken rows, whose loss would
    outweigh all others, or so certain that they say nothing about the temperature. Where none is left, because all
    classes but one are masked in every row, T is 1.
    """
    samples = samples.thinned(numbers)
    weight = prior_weight(samples.target, prior, samples.weight)
    margin = samples.margins(step)
    spread = spread_of(margin[weight > 0], samples.weight[weight > 0])
    used = (weight > 0) & (np.abs(margin) <= FAR * spread)
    if not used.any():
        return FittedCalibration(1.0, np.zeros(samples.num_classes) if decision is None else decision, True)
    fit = _Fit(samples.where(used), weight[used], spread, decision, step, line)
    log_scale, offset = fit.optimum()
    temperature = spread * float(np.exp(-log_scale))
    at_limit = abs(log_scale) > WIDEST - 1e-9 or fit.unrelated() or fit.separated(temperature, offset)
    if decision is not None:
        return FittedCalibration(temperature, decision / temperature, at_limit)
    if line is None:
        seen = np.bincount(samples.target, minlength=samples.num_classes) > 0
        offset[~seen] = offset[seen].mean()
    return FittedCalibration(temperature, offset - offset.mean(), at_limit)


@dataclass(frozen=True)
class _Fit:
    """Weighted maximum likelihood of softmax(z / T + b), or of softmax((z + decision) / T).

    Logits are divided by `spread`, so that the result does not depend on their scale.
    """

    samples: Samples
    weight: np.ndarray
    spread: float
    decision: np.ndarray | None
    step: str
    line: np.ndarray | None = None

    def optimum(self) -> tuple[float, np.ndarray]:
        """The logarithm of spread / T, and the offsets b (C,) (0 with `decision`)."""
        num_classes, weight = self.samples.num_classes, self.weight / self.weight.sum()
        ridge, basis = RIDGE / len(np.unique(self.samples.target)), None
        if self.decision is not None:
            basis = np.zeros((num_classes, 0))
        elif self.line is not None:
            ridge, basis = RIDGE, self.line[:, None]
        merged = partial(self.samples.merged, self.step)
        likelihood = Likelihood(self.blocks, self.samples.target, weight, basis, ridge, merged)
        found = maximum(likelihood, num_classes if basis is None else basis.shape[1])
        return float(np.log(found[0])), found[1:] if basis is None else basis @ found[1:]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """One pass over the prepared logits. If they are few, they are kept: a fit makes about ten passes."""
        few = len(self.samples) * self.samples.num_classes <= FEW_NUMBERS
        return iter(self._kept) if few else self._prepared()

    @cached_property
    def _kept(self) -> list[tuple[slice, np.ndarray]]:
        return list(self._prepared())

    def _prepared(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Logits over the spread, of which the largest of a row is 0, and those of masked classes are finite.

        What a row has in common changes no probability, but its square in the Hessian would leave nothing but rounding.
        """
        shift = 0.0 if self.decision is None else self.decision
        for part, logits in self.samples.blocks(self.step):
            shifted = logits + shift
            yield part, np.maximum((shifted - shifted.max(1, keepdims=True)) / self.spread, -IMPOSSIBLE)

    def separated(self, temperature: float, offset: np.ndarray) -> bool:
        """Whether all samples are classified correctly: then T → 0 raises the likelihood without end."""
        scale = self.spread / temperature
        own = all(
            bool((own_margins(scaled * scale + offset, self.samples.target[part]) > 0).all())
            for part, scaled in self.blocks()
        )
        return all(self.samples.share.processes.gathered(self.step, own))

    def unrelated(self) -> bool:
        """Whether the likelihood falls with 1/T already at 1/T = 0, where its maximum is.

        Its derivative there is the mean of a sample's own logit less that of the mean logit of the classes.
        """
        num_classes = self.samples.num_classes
        share = np.bincount(self.samples.target, self.weight, num_classes) / self.weight.sum()
        if self.decision is not None:
            share = (share > 0) / (share > 0).sum()
        derivative = 0.0
        for part, scaled in self.blocks():
            own = scaled[np.arange(len(scaled)), self.samples.target[part]]
            derivative += float(self.weight[part] @ (own - scaled @ share))
        return sum(self.samples.share.processes.gathered(self.step, derivative)) <= 0


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
