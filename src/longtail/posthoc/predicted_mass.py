"""How much probability each class receives: column sums of softmax probabilities, as a stream, without underflow."""

import torch
from torch import Tensor

ELEMENTS_AT_ONCE = 4_194_304  # 32 MiB of float64
SMALLEST_LOG = -1e300  # for logits so far apart that their difference overflows


class PredictedMass:
    """Weighted sums Σ_i w_i p_ij of probabilities over samples i, kept apart by group (rows) and class j (columns).

    A running log-sum-exp: each column is held relative to its largest log-probability so far, so that a class which
    every sample finds a thousand nats unlikely still has its exact sum.

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
        rows = max(1, ELEMENTS_AT_ONCE // logits.shape[1])
        group = torch.zeros(len(logits), dtype=torch.int64) if group is None else group
        for start in range(0, len(logits), rows):
            part = slice(start, start + rows)
            self._add(logits[part], group[part], None if weight is None else weight[part])

    def _add(self, logits: Tensor, group: Tensor, weight: Tensor | None) -> None:
        log_probs = logits.to("cpu", torch.float64).log_softmax(1).clamp_(min=SMALLEST_LOG)
        exponent = torch.maximum(self.exponent, log_probs.max(0).values)
        self.scaled *= (self.exponent - exponent).exp()
        mass = (log_probs - exponent).exp_()
        self.scaled.index_add_(0, group, mass if weight is None else mass * weight[:, None])
        self.exponent = exponent
        self.samples += torch.bincount(group, minlength=len(self.samples))

    def log_mean(self, group_weight: Tensor) -> Tensor:
        """Log Σ_r weight_r · (sum of row r), (C,): with weights that sum the samples to 1, the mean probability."""
        return (group_weight @ self.scaled).log() + self.exponent
