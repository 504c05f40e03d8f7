"""Mean predictions under many offsets and sample weights at once: one pass, one exponential per logit."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

Blocks = Callable[[], Iterable[tuple[Tensor, Tensor]]]
# Smallest reliable divisors and means. A term that underflows (below 1e-38 or 1e-308) is divided by the former and is
# then still negligible beside the latter.
LEAST_DIVISOR = {torch.float32: 1e-15, torch.float64: 1e-100}
LEAST_MEAN = {torch.float32: 1e-12, torch.float64: 1e-150}


class MeanPredictions(NamedTuple):
    """Weighted sums over samples, for each of S offsets o_s with weights w_s.

    Attributes:
        log_mean: (S, C) log Σ_i w_is softmax(z_i + o_s), float64; −inf for a class whose offset is −inf.
        log_partition: (S,) Σ_i w_is (log Σ_j exp(z_ij + o_sj) − max_j z_ij), float64.
    """

    log_mean: Tensor
    log_partition: Tensor


def mean_predictions(blocks: Blocks, offset: Tensor, precision: torch.dtype = torch.float64) -> MeanPredictions:
    """Mean predictions, in one pass unless exponentials underflow.

    softmax(z + o) = e^z e^o / Σ e^z e^o, so the sums over classes and over samples are products of matrices.

    Args:
        blocks: one pass over the data in blocks of logits (B, C) and weights (B, S), whose weights sum to 1 for each s.
        offset: (S, C) float64; −inf for a class that takes no part.
        precision: float32 (relative error 1e-6) or float64, of the products within a block.
    """
    taking_part = offset > -torch.inf
    for dtype in dict.fromkeys((precision, torch.float64)):
        mean, log_partition = _by_products(blocks(), offset, dtype)
        if (mean > LEAST_MEAN[dtype])[taking_part].all():
            return MeanPredictions(mean.log(), log_partition)
    return _by_logarithms(blocks(), offset)


def _by_products(blocks: Iterable[tuple[Tensor, Tensor]], offset: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    # Relative to the mean offset: products then hold differences between the S offsets only, which are small.
    taking_part = offset > -torch.inf
    centre = torch.where(taking_part, offset, 0.0).sum(0) / taking_part.sum(0)
    centre = centre.masked_fill(~taking_part.any(0), -torch.inf)
    difference = torch.where(taking_part, offset - centre, -torch.inf)
    largest = difference.amax(1)
    factor = (difference - largest[:, None]).exp()
    scaled, log_partition, underflown = torch.zeros_like(offset), torch.zeros_like(largest), torch.zeros_like(offset)
    for logits, weight in blocks:
        scores = (logits - logits.amax(1, keepdim=True)).to(dtype).add_(centre.to(dtype))
        top = scores.amax(1, keepdim=True)
        scores = scores.sub_(top).exp_()
        divisor = scores @ factor.T.to(dtype)
        if divisor.min() > LEAST_DIVISOR[dtype]:
            scaled += (weight.to(dtype) / divisor).T @ scores
            log_partition += (weight * (divisor.log() + (top + largest))).sum(0)
        else:
            mean, own_partition = _more_precisely(logits, weight, offset, dtype)
            underflown += mean
            log_partition += own_partition
    return scaled * factor + underflown, log_partition


def _more_precisely(logits: Tensor, weight: Tensor, offset: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """`_by_products` of one block that underflows in `dtype`."""
    if dtype != torch.float64:
        return _by_products([(logits, weight)], offset, torch.float64)
    log_mean, log_partition = _by_logarithms([(logits, weight)], offset)
    return log_mean.exp(), log_partition


def _by_logarithms(blocks: Iterable[tuple[Tensor, Tensor]], offset: Tensor) -> MeanPredictions:
    """The same where exponentials underflow."""
    log_mean, log_partition = torch.full_like(offset, -torch.inf), torch.zeros(len(offset), dtype=torch.float64)
    for logits, weight in blocks:
        z = logits.double()
        z -= z.amax(1, keepdim=True)
        for s, (own, w) in enumerate(zip(offset, weight.T, strict=True)):
            partition = (z + own).logsumexp(1)
            part = (z + own + (w.log() - partition)[:, None]).logsumexp(0)
            log_mean[s] = torch.logaddexp(log_mean[s], part)
            log_partition[s] += (w * partition).sum()
    return MeanPredictions(log_mean, log_partition)
