"""Mean predictions under many offsets and sample weights at once: one pass, one exponential per logit."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from longtail.autocast import without_autocast
from longtail.posthoc.parts import check_same_classes

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
        concentration: (S, C) Σ_i w_is p_ij² / Σ_i w_is p_ij with p = softmax(z_i + o_s), in [0, 1]: 1 where samples are
            certain. The derivative of log_mean by the class's own offset is 1 − concentration.
    """

    log_mean: Tensor
    log_partition: Tensor
    concentration: Tensor

    def merge(self, other: "MeanPredictions") -> "MeanPredictions":
        """The sums over the samples of both parts, at the same offsets; an empty part changes nothing.

        The weights of each s must sum to 1 over all parts together.

        Raises:
            ValueError: another number of classes.
        """
        check_same_classes(self.log_mean.shape[-1], other.log_mean.shape[-1])
        log_mean = torch.logaddexp(self.log_mean, other.log_mean)
        shares = [torch.where(log_mean > -torch.inf, (own.log_mean - log_mean).exp(), 0.0) for own in (self, other)]
        concentration = shares[0] * self.concentration + shares[1] * other.concentration
        return MeanPredictions(log_mean, self.log_partition + other.log_partition, concentration.clamp(0.0, 1.0))


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
        with without_autocast("cpu"):
            sums = _by_products(blocks(), offset, dtype)
        if (sums.mean > LEAST_MEAN[dtype])[taking_part].all():
            return MeanPredictions(sums.mean.log(), sums.log_partition, _ratio(sums.square, sums.mean))
    return _by_logarithms(blocks(), offset)


class _Sums(NamedTuple):
    """Σ_i w p and Σ_i w p², (S, C) each, and the log partition (S,)."""

    mean: Tensor
    square: Tensor
    log_partition: Tensor


def _ratio(square: Tensor, mean: Tensor) -> Tensor:
    return torch.where(mean > 0, square / mean, 0.0).clamp(0.0, 1.0)


def _by_products(blocks: Iterable[tuple[Tensor, Tensor]], offset: Tensor, dtype: torch.dtype) -> _Sums:
    # Relative to the mean offset: products then hold differences between the S offsets only, which are small.
    taking_part = offset > -torch.inf
    centre = torch.where(taking_part, offset, 0.0).sum(0) / taking_part.sum(0)
    centre = centre.masked_fill(~taking_part.any(0), -torch.inf)
    difference = torch.where(taking_part, offset - centre, -torch.inf)
    largest = difference.amax(1)
    factor = (difference - largest[:, None]).exp()
    scaled, squared, mean, square = (torch.zeros_like(offset) for _ in range(4))
    log_partition = torch.zeros_like(largest)
    for logits, weight in blocks:
        scores = (logits - logits.amax(1, keepdim=True)).to(dtype).add_(centre.to(dtype))
        top = scores.amax(1, keepdim=True)
        scores = scores.sub_(top).exp_()
        divisor = scores @ factor.T.to(dtype)
        if divisor.min() > LEAST_DIVISOR[dtype]:
            share = weight.to(dtype) / divisor
            scaled += share.T @ scores
            squared += (share / divisor).T @ scores.square_()
            log_partition += (weight * (divisor.log() + (top + largest))).sum(0)
        else:
            own = _more_precisely(logits, weight, offset, dtype)
            mean += own.mean
            square += own.square
            log_partition += own.log_partition
    return _Sums(scaled * factor + mean, squared * factor.square() + square, log_partition)


def _more_precisely(logits: Tensor, weight: Tensor, offset: Tensor, dtype: torch.dtype) -> _Sums:
    """`_by_products` of one block that underflows in `dtype`."""
    if dtype != torch.float64:
        return _by_products([(logits, weight)], offset, torch.float64)
    means = _by_logarithms([(logits, weight)], offset)
    mean = means.log_mean.exp()
    return _Sums(mean, means.concentration * mean, means.log_partition)


def _by_logarithms(blocks: Iterable[tuple[Tensor, Tensor]], offset: Tensor) -> MeanPredictions:
    """The same where exponentials underflow."""
    log_mean, log_square = (torch.full_like(offset, -torch.inf) for _ in range(2))
    log_partition = torch.zeros(len(offset), dtype=torch.float64)
    for logits, weight in blocks:
        z = logits.double()
        z -= z.amax(1, keepdim=True)
        for s, (own, w) in enumerate(zip(offset, weight.T, strict=True)):
            partition = (z + own).logsumexp(1)
            log_p, log_w = z + own - partition[:, None], w.log()[:, None]
            log_mean[s] = torch.logaddexp(log_mean[s], (log_p + log_w).logsumexp(0))
            log_square[s] = torch.logaddexp(log_square[s], (2 * log_p + log_w).logsumexp(0))
            log_partition[s] += (w * partition).sum()
    concentration = torch.where(log_mean > -torch.inf, (log_square - log_mean).exp(), 0.0)
    return MeanPredictions(log_mean, log_partition, concentration)
