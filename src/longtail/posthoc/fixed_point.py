"""The offset at which the mean prediction is the target prior: for many weightings of the same samples at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from longtail.posthoc.anderson import Anderson
from longtail.posthoc.mean_predictions import Blocks, MeanPredictions, mean_predictions

ACCEPTED = 1e-3  # relative error of a class's mean prediction that still counts as converged after the last pass
LONGEST = 50.0  # largest step, as a multiple of the update
Means = Callable[[Tensor, Tensor], MeanPredictions]


class NoFixedPointError(RuntimeError):
    """The iteration did not converge."""


def fixed_point_offsets(
    blocks: Blocks,
    prior: Tensor,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 5000,
    precision: torch.dtype = torch.float64,
) -> Tensor:
    """`offsets_of_means` of blocks of logits in this process.

    Args:
        blocks: passes over the data, each in blocks of logits (B, C) and weights (B, S) float64; the weights of each s
            sum to 1 over a pass.
        prior: (S, C) float64, each row sums to 1. Classes of prior 0 take no part.
        tolerance: the largest relative error of a class's mean prediction; after the last pass 1e-3 is accepted.
        max_iterations: passes over the data.
        precision: of `mean_predictions`; float32 for tolerances from 1e-4.

    Raises:
        NoFixedPointError: no convergence.
    """

    def means(offset: Tensor, active: Tensor) -> MeanPredictions:
        return mean_predictions(_of_fits(blocks, active), offset, precision)

    return offsets_of_means(means, prior, tolerance=tolerance, max_iterations=max_iterations)


def offsets_of_means(means: Means, prior: Tensor, *, tolerance: float = 1e-6, max_iterations: int = 5000) -> Tensor:
    """Find o_s with Σ_i w_is softmax(z_i + o_s) = π_s, for each weighting s.

    The fixed point minimises the convex function Σ_i w_i log Σ_j exp(z_ij + o_j) − Σ_j π_j o_j. The update
    o ← o + log π − log(mean prediction), whose first step is the re-balancing rule, never increases it; it is
    Sinkhorn's algorithm with the samples scaled by softmax and the classes by o, and converges from anywhere. It is
    slow for a class whose samples have probabilities near 0 or 1. Its step is half a Newton step on the diagonal of the
    Hessian, if that is longer. Anderson acceleration saves most of the passes that are left. Where both increase the
    function, the update is used alone.

    Args:
        means: one pass over the data: the mean predictions at offsets (A, C) of A of the weightings, whose indices
            are its second argument. Those of data in parts are merged.
        prior: (S, C) float64, each row sums to 1. Classes of prior 0 take no part.
        tolerance: the largest relative error of a class's mean prediction; after the last pass 1e-3 is accepted.
        max_iterations: passes over the data.

    Returns:
        (S, C) float64 of mean 0 over the classes that take part, −inf for the others.

    Raises:
        NoFixedPointError: no convergence; the logits are saturated, so that hardly any sample lies between two classes.
    """
    taking_part = prior > 0
    log_prior, absent = prior.log(), torch.zeros_like(prior).masked_fill(~taking_part, -torch.inf)
    # The function can still fall by about tolerance² / 2 where all classes are that far off.
    search = Anderson(prior, slack=tolerance**2 / 10)
    active = torch.arange(len(prior))
    for _ in range(max_iterations):
        offset, share = search.offset[active], prior[active]
        found = means(offset + absent[active], active)
        step = torch.where(taking_part[active], log_prior[active] - found.log_mean, 0.0)
        unfinished = step.abs().amax(1) > tolerance
        active = active[unfinished]
        if not len(active):
            break
        value = found.log_partition - (share * offset).sum(1)
        longer = step / (2 * (1 - found.concentration)).clamp(1 / LONGEST, 1.0)
        search.advance(active, step[unfinished], longer[unfinished], value[unfinished])
    else:
        _check_accepted(search.best_plain[active], max_iterations)
        search.offset[active] = search.best_offset[active]
    mean = torch.where(taking_part, search.offset, 0.0).sum(1) / taking_part.sum(1)
    return search.offset - mean[:, None] + absent


def _of_fits(blocks: Blocks, active: Tensor) -> Blocks:
    return lambda: ((logits, weight[:, active]) for logits, weight in blocks())


def _check_accepted(step: Tensor, passes: int) -> None:
    error = step.abs().amax(1)
    if error.max() <= ACCEPTED:
        return
    row = step[error.argmax()]
    worst = int(row.abs().argmax())
    raise NoFixedPointError(
        f"The fixed point was not reached in {passes} passes: class {worst} still receives "
        f"{(-row[worst]).exp().item():.6g} times its share. The logits are saturated (are they those of the "
        "training set?): take the first step alone, or fit on data that the model has not seen."
    )
