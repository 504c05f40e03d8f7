"""Maximum likelihood of softmax(a z + B c): a scale a > 0 of logits and coefficients c of offsets.

The weighted log-likelihood is concave in (a, c). Newton's method finds its maximum in a few passes; with many
coefficients, whose Hessian would be large, L-BFGS does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

WIDEST = 6.0  # of log a: a is within e^-6 and e^6
BOUNDS = (np.exp(-WIDEST), np.exp(WIDEST))
MOST_FOR_NEWTON = 512  # coefficients
MOST_STEPS, MOST_HALVINGS = 100, 30
SUFFICIENT = 1e-4  # share of the decrease that the slope promises
ROUNDING = 1e-15  # of a loss
LEAST_CURVATURE = 1e-12  # of logits that are all equal, whose Hessian is singular
BEYOND, AT_BOUND = 1e-3, 1e-12  # a little further than a bound, and rounding away from it
LEFT_TO_GAIN = 1e-13  # of the mean log-likelihood; the step that finds it is still taken, and squares it

Blocks = Callable[[], Iterator[tuple[slice, np.ndarray]]]


class Sums(NamedTuple):
    """The negative mean log-likelihood with its ridge, its gradient (1 + M,) and its Hessian (1 + M, 1 + M)."""

    loss: float
    gradient: np.ndarray
    hessian: np.ndarray | None


class OverSamples(NamedTuple):
    """What a pass adds up over samples, of which several processes may each have some.

    Attributes:
        loss: −Σ w log p of the own class.
        slope: its derivative by the scale.
        mean: (C,) its derivative by the offsets.
        second: (1 + M, 1 + M) the products in its Hessian; without a Hessian ().
        mean_product: (C,) Σ w p (z − E z), with E z the mean logit of a sample under p.
    """

    loss: float
    slope: float
    mean: np.ndarray
    second: np.ndarray
    mean_product: np.ndarray

    def merge(self, other: "OverSamples") -> "OverSamples":
        """Of the samples of both."""
        return OverSamples(
            self.loss + other.loss,
            self.slope + other.slope,
            self.mean + other.mean,
            self.second + other.second,
            self.mean_product + other.mean_product,
        )


def _as_it_is(own: OverSamples) -> OverSamples:
    return own


@dataclass(frozen=True)
class Likelihood:
    """The weighted likelihood of labels.

    Attributes:
        blocks: passes over finite logits z in blocks (B, C), each with its slice of the samples.
        target: (N,) class indices.
        weight: (N,) sample weights that sum to 1.
        basis: (C, M) offsets for coefficients c of 1; None for the identity, an offset of each class.
        ridge: times the sum of squares of c.
        merged: gives the sums of all processes; by default this one has all samples.
    """

    blocks: Blocks
    target: np.ndarray
    weight: np.ndarray
    basis: np.ndarray | None
    ridge: float
    merged: Callable[[OverSamples], OverSamples] = _as_it_is

    def sums(self, parameters: np.ndarray, *, hessian: bool) -> Sums:
        """At (1 + M,) parameters (a, c), in one pass."""
        coefficient, number = parameters[1:], len(parameters)
        found = self.merged(self._over_own(parameters, hessian=hessian))
        gradient = 2 * self.ridge * np.r_[0.0, coefficient]
        gradient[0] += found.slope
        gradient[1:] += self._in_basis(found.mean)
        loss = found.loss + self.ridge * float(coefficient @ coefficient)
        if not hessian:
            return Sums(loss, gradient, None)
        second = found.second + np.diag(np.r_[0.0, np.full(number - 1, 2 * self.ridge)])
        mean = found.mean + np.bincount(self.target, self.weight, len(found.mean))  # of the probabilities alone
        second[1:, 1:] += np.diag(mean) if self.basis is None else self.basis.T @ (mean[:, None] * self.basis)
        second[0, 1:] += self._in_basis(found.mean_product)
        second[1:, 0] = second[0, 1:]
        return Sums(loss, gradient, second)

    def _over_own(self, parameters: np.ndarray, *, hessian: bool) -> OverSamples:
        scale, coefficient = parameters[0], parameters[1:]
        offset = coefficient if self.basis is None else self.basis @ coefficient
        number = len(parameters)
        loss = slope = 0.0
        mean_product, mean = np.zeros(len(offset)), np.zeros(len(offset))
        second = np.zeros((number, number) if hessian else ())
        for part, z in self.blocks():
            rows, y, weight = np.arange(len(z)), self.target[part], self.weight[part]
            own = z[rows, y]
            p, log_own = _softmax(scale * z + offset, y)
            expected = np.einsum("nc,nc->n", p, z)
            loss -= float(weight @ log_own)
            slope += float(weight @ (expected - own))
            mean += weight @ p
            mean -= np.bincount(y, weight, len(offset))
            if hessian:
                in_basis = np.sqrt(weight)[:, None] * (p if self.basis is None else p @ self.basis)
                second[1:, 1:] -= in_basis.T @ in_basis  # with its own transpose: numpy computes half of the product
                centred = z - expected[:, None]  # differences of sums of large products would be rounding alone
                p *= centred
                mean_product += weight @ p
                second[0, 0] += weight @ np.einsum("nc,nc->n", p, centred)
        return OverSamples(loss, slope, mean, second, mean_product)

    def _in_basis(self, by_class: np.ndarray) -> np.ndarray:
        return by_class if self.basis is None else self.basis.T @ by_class


def maximum(likelihood: Likelihood, num_coefficients: int) -> np.ndarray:
    """The parameters (1 + M,) (a, c) of the largest likelihood, with log a in [−6, 6]."""
    start = np.r_[1.0, np.zeros(num_coefficients)]
    if num_coefficients > MOST_FOR_NEWTON:
        return _by_gradients(likelihood, start)
    return _by_newton(likelihood, start)


def _by_newton(likelihood: Likelihood, parameters: np.ndarray) -> np.ndarray:
    """Newton's method with backtracking, with the scale within its bounds."""
    now = likelihood.sums(parameters, hessian=True)
    for _ in range(MOST_STEPS):
        step = _newton_step(now, parameters)
        share = _share_within_bounds(step, parameters)
        for halvings in range(MOST_HALVINGS):
            tried = _bounded(parameters + share * step / 2**halvings)
            found = likelihood.sums(tried, hessian=True)
            allowed = now.loss + SUFFICIENT * float(now.gradient @ (tried - parameters)) + ROUNDING * abs(now.loss)
            if found.loss <= allowed:
                break
        else:
            return parameters  # only rounding is left
        left = -float(now.gradient @ step) / 2
        parameters, now = tried, found
        if left <= LEFT_TO_GAIN and share > 1 - SUFFICIENT:
            return parameters
    return parameters


def _newton_step(sums: Sums, parameters: np.ndarray) -> np.ndarray:
    """(1 + M,); a scale that is at a bound, and would leave it, is kept."""
    step = _solved(sums, parameters, scale=_moved(-BEYOND * np.sign(sums.gradient), parameters) != 0)
    if step[0] and not _moved(step, parameters):  # towards the inside by its slope, but not with the coefficients
        return _solved(sums, parameters, scale=False)
    return step


def _solved(sums: Sums, parameters: np.ndarray, *, scale: bool) -> np.ndarray:
    """The step of all coefficients, and of the scale or not."""
    assert sums.hessian is not None
    free = np.r_[scale, np.ones(len(parameters) - 1, dtype=bool)]
    hessian = sums.hessian[np.ix_(free, free)]
    hessian[np.diag_indices(len(hessian))] += LEAST_CURVATURE
    step = np.zeros(len(parameters))
    step[free] = np.linalg.solve(hessian, -sums.gradient[free])
    return step


def _share_within_bounds(step: np.ndarray, parameters: np.ndarray) -> float:
    """Of the step until the scale reaches a bound. A bounded scale alone would give coefficients a wrong step."""
    return float(_moved(step, parameters) / step[0]) if step[0] else 1.0


def _moved(step: np.ndarray, parameters: np.ndarray) -> float:
    """How far the scale goes within its bounds; 0 at a bound, also where rounding has left it a little inside."""
    moved = float(np.clip(parameters[0] + step[0], *BOUNDS) - parameters[0])
    return 0.0 if abs(moved) <= AT_BOUND < abs(step[0]) else moved


def _bounded(parameters: np.ndarray) -> np.ndarray:
    bounded = parameters.copy()
    bounded[0] = np.clip(parameters[0], *BOUNDS)
    return bounded


def _by_gradients(likelihood: Likelihood, start: np.ndarray) -> np.ndarray:
    """L-BFGS, in (log a, c)."""
    parameters = torch.from_numpy(np.r_[np.log(start[:1]), start[1:]]).requires_grad_()

    def scales() -> np.ndarray:
        values = parameters.detach().numpy().copy()
        values[0] = np.exp(np.clip(values[0], -WIDEST, WIDEST))
        return values

    optimizer = torch.optim.LBFGS(
        [parameters],
        max_iter=200,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
        history_size=20,
    )

    def loss() -> float:
        values = scales()
        sums = likelihood.sums(values, hessian=False)
        inside = abs(float(parameters.detach()[0])) <= WIDEST
        gradient = sums.gradient.copy()
        gradient[0] *= values[0] * inside
        parameters.grad = torch.from_numpy(gradient)
        return sums.loss

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return scales()


def _softmax(scores: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, C) probabilities, written over `scores`, and (B,) logarithms of those of the targets."""
    scores -= scores.max(1, keepdims=True)
    own = scores[np.arange(len(scores)), target]
    np.exp(scores, out=scores)
    total = scores.sum(1)
    scores /= total[:, None]
    return scores, own - np.log(total)
