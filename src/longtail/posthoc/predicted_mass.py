"""How much probability each class receives: column sums of softmax probabilities, as a stream, without underflow."""

import torch
from torch import Tensor

from longtail.autocast import without_autocast
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.parts import check_same_classes

SMALLEST_LOG = -1e300  # for logits so far apart that their difference overflows
HEADROOM = 100.0  # nats: sums of a column stay far from overflow (709)
TOO_SMALL = 1e-25  # of a block's mass: terms that underflow in float32 (1e-38) might count below it


class PredictedMass:
    """Weighted sums Σ_i w_i p_ij of probabilities over samples i, kept apart by group (rows) and class j (columns).

    A running log-sum-exp: each column is held relative to about its largest sum so far, so that a class which every
    sample finds a thousand nats unlikely still has its exact sum. Probabilities are taken in the precision of the
    logits (float32 at least), sums in float64.

    Args:
        groups: R, the number of rows.
        num_classes: C.
    """

    def __init__(self, groups: int, num_classes: int) -> None:
        self.scaled = torch.zeros(groups, num_classes, dtype=torch.float64)
        self.exponent = torch.full((num_classes,), -torch.inf, dtype=torch.float64)
        self.samples = torch.zeros(groups, dtype=torch.int64)

    def add(self, logits: Tensor, group: Tensor | None = None, weight: Tensor | None = None) -> None:
        """Add samples: logits (N, C); group (N,) int64, by default 0; weight (N,), by default 1."""
        weights = torch.ones(len(logits), dtype=torch.float64) if weight is None else weight
        with without_autocast("cpu"):
            for part in row_blocks(*logits.shape):
                self._add(logits[part].to("cpu"), None if group is None else group[part], weights[part])
        rows = torch.zeros(len(logits), dtype=torch.int64) if group is None else group
        self.samples += torch.bincount(rows, minlength=len(self.samples))

    def merge(self, other: "PredictedMass") -> "PredictedMass":
        """The sums over the samples of both.

        Raises:
            ValueError: another number of classes.
        """
        check_same_classes(len(self.exponent), len(other.exponent))
        both = PredictedMass(*self.scaled.shape)
        both.exponent = torch.maximum(self.exponent, other.exponent)
        for own in (self, other):
            held = own.exponent > -torch.inf
            both.scaled += own.scaled * torch.where(held, (own.exponent - both.exponent).exp(), 0.0)
            both.samples += own.samples
        return both

    def _add(self, logits: Tensor, group: Tensor | None, weight: Tensor) -> None:
        probability = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(1)
        total = (weight.to(probability.dtype) @ probability).double()
        if total.min() > TOO_SMALL * weight.sum():
            exponent = self._exponent_for(total.log())
            mass = total[None] if group is None else weight[:, None] * probability
            mass = mass * (-exponent).exp()
        else:
            log_probs = logits.double().log_softmax(1).clamp_(min=SMALLEST_LOG)
            exponent = self._exponent_for(log_probs.max(0).values)
            mass = (log_probs - exponent).exp_() * weight[:, None]
        if exponent is not self.exponent:
            self.scaled *= (self.exponent - exponent).exp()
            self.exponent = exponent
        if group is None:
            self.scaled[0] += mass.sum(0)
        else:
            self.scaled.index_add_(0, group, mass)

    def _exponent_for(self, reference: Tensor) -> Tensor:
        """As it is, unless a column outgrows it: another one costs a pass over all sums."""
        outgrown = reference > self.exponent + HEADROOM
        return torch.where(outgrown, reference, self.exponent) if outgrown.any() else self.exponent

    def log_mean(self, group_weight: Tensor) -> Tensor:
        """Log Σ_r weight_r · (sum of row r), (C,): with weights that sum the samples to 1, the mean probability."""
        return (group_weight @ self.scaled).log() + self.exponent
