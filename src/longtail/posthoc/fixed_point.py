"""The offset at which the mean prediction is the target prior: for many weightings of the same samples at once."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

TOO_SMALL = 1e-250  # of a block's weight: terms that underflow (1e-308) might count below it
Blocks = Callable[[], Iterable[tuple[Tensor, Tensor]]]


class NoFixedPointError(RuntimeError):
    """The iteration did not converge."""


def fixed_point_offsets(
    blocks: Blocks, prior: Tensor, *, tolerance: float = 1e-6, max_iterations: int = 5000
) -> Tensor:
    """Find o_s with Σ_i w_is softmax(z_i + o_s) = π_s, for each weighting s.

    The fixed point minimises the convex function Σ_i w_i log Σ_j exp(z_ij + o_j) − Σ_j π_j o_j. The update
    o ← o + log π − log(mean prediction), whose first step is the re-balancing rule, never increases it; it is
    Sinkhorn's algorithm with the samples scaled by softmax and the classes by o, and converges from anywhere.

    Args:
        blocks: passes over the data, each in blocks of logits (B, C) float64 and weights (B, S) float64; the weights of
            each s sum to 1 over a pass.
        prior: (S, C) float64, each row sums to 1. Classes of prior 0 take no part.
        tolerance: the largest relative error of a class's mean prediction.
        max_iterations: passes over the data.

    Returns:
        (S, C) float64 of mean 0 over the classes that take part, −inf for the others.

    Raises:
        NoFixedPointError: no convergence; the logits are saturated, so that hardly any sample lies between two classes.
    """
    log_prior = prior.log()
    offset = torch.zeros_like(prior).masked_fill(prior == 0, -torch.inf)
    active = torch.arange(len(prior))
    for _ in range(max_iterations):
        step = log_prior[active] - log_mean_predictions(((z, w[:, active]) for z, w in blocks()), offset[active])
        step = step.nan_to_num(nan=0.0)  # −inf − −inf of a class that takes no part
        unfinished = step.abs().amax(1) > tolerance
        if not unfinished.any():
            taking_part = prior > 0
            mean = torch.where(taking_part, offset, 0.0).sum(1) / taking_part.sum(1)
            return offset - mean[:, None]
        step, active = step[unfinished], active[unfinished]
        offset[active] += step
    worst = int(step[0].abs().argmax())
    raise NoFixedPointError(
        f"The fixed point was not reached in {max_iterations} passes: class {worst} still receives "
        f"{(-step[0, worst]).exp().item():.6g} times its share. The logits are saturated (are they those of the "
        "training set?): take the first step alone, or fit on data that the model has not seen."
    )


def log_mean_predictions(blocks: Iterable[tuple[Tensor, Tensor]], offset: Tensor) -> Tensor:
    """Log Σ_i w_is softmax(z_i + o_s), (S, C) float64, in one pass over blocks of logits (B, C) and weights (B, S).

    One exponential a logit serves all S: softmax(z + o) = e^z e^o / Σ e^z e^o, sums over classes and over samples are
    products of matrices.

    Args:
        blocks: float64.
        offset: (S, C) float64; −inf for a class that takes no part.
    """
    total = torch.full_like(offset, -torch.inf)
    factor = (offset - offset.amax(1, keepdim=True)).exp()
    for logits, weight in blocks:
        scores = (logits - logits.amax(1, keepdim=True)).exp_()
        divisor = scores @ factor.T
        mass = ((weight / divisor).T @ scores) * factor
        counts = (offset > -torch.inf) & (weight.sum(0) > 0)[:, None]
        if divisor.min() > TOO_SMALL and (mass > TOO_SMALL * weight.sum(0)[:, None])[counts].all():
            total = torch.logaddexp(total, mass.log())
        else:
            total = torch.logaddexp(total, _log_mass(logits, weight, offset))
    return total


def _log_mass(logits: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """The same of one block where exponentials underflow."""
    rows = [
        ((logits + own).log_softmax(1) + log_weight[:, None]).logsumexp(0)
        for own, log_weight in zip(offset, weight.log().T, strict=True)
    ]
    return torch.stack(rows)
