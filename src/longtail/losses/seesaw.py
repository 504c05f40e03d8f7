"""Seesaw loss (Wang et al., "Seesaw Loss for Long-Tailed Instance Segmentation", CVPR 2021).

    L = −log( e^{z_k} / (e^{z_k} + Σ_{j≠k} M_kj C_kj e^{z_j}) )
    M_kj = min(1, N_j / N_k)^p,   C_kj = max(1, σ_j / max(σ_k, ε))^q,   σ = softmax(z), a constant

N counts the samples that training has shown so far: the mitigation M spares rare classes the push of frequent ones,
the compensation C takes it back where a sample is taken for a rare class. The authors' code adds a batch to N before
the loss of that batch, we after it, as every loss with memory here does. A class not seen yet counts as one sample.
With probabilities t as targets log N_k and log σ_k are their means under t, and the shift of class j counts 1 − t_j.
"""

import math
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import check_size, check_strength
from longtail.losses.fused import Received
from longtail.losses.inputs import along_classes, as_statistics, class_dimension
from longtail.losses.loss_with_memory import LossWithMemory, MemoryArguments
from longtail.losses.margins import Margins
from longtail.losses.shifts import class_indices, cross_entropy_of


def seesaw_loss(
    logits: Tensor,
    target: Tensor,
    seen: Tensor,
    *,
    p: float = 0.8,
    q: float = 2.0,
    eps: float = 1e-2,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Seesaw loss for given counts: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        seen: (C,) samples of each class so far, ≥ 0.
        p: strength of the mitigation, ≥ 0.
        q: strength of the compensation, ≥ 0. With both 0 it is cross-entropy.
        eps: ε > 0, the smallest σ_k that is divided by.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> import torch
        >>> seesaw_loss(torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor([100.0, 1.0]), p=1.0)
        tensor([0.0100, 0.6931])

    Source: the equations of the paper's section 3; the defaults are those of its code.
    """
    adjusted = seesaw_logits(logits, target, seen, p=p, q=q, eps=eps)
    return cross_entropy_of(adjusted, logits, target, weight, ignore_index, label_smoothing)


def seesaw_logits(
    logits: Tensor,
    target: Tensor,
    seen: Tensor,
    *,
    p: float = 0.8,
    q: float = 2.0,
    eps: float = 1e-2,
) -> Tensor:
    """Adjusted logits of Seesaw loss: their cross-entropy with the target is `seesaw_loss`.

    `F.cross_entropy(adjusted, target, …)` then has every argument of PyTorch. An ignored target may have any value; its
    row has no meaning. Arguments and errors as those of `seesaw_loss`.

    Returns:
        The shape of the logits, in float32 at least; the same object as the logits where `p` and `q` are 0.

    Example:
        >>> import torch
        >>> seesaw_logits(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([100.0, 1.0]), p=1.0)
        tensor([[ 0.0000, -4.6052]])
    """
    _check(p, q, eps)
    (seen,) = as_statistics(seen=seen)
    target = class_indices(logits, target, seen.numel())
    return _margins(logits, target, seen, p, q, eps).applied(logits, target)


class SeesawLoss(LossWithMemory):
    """Seesaw loss as a drop-in for `nn.CrossEntropyLoss`; it counts the classes itself.

    Args:
        num_classes: C, at least 2.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        p: strength of the mitigation, ≥ 0.
        q: strength of the compensation, ≥ 0. With both 0 it is cross-entropy.
        eps: ε > 0, the smallest σ_k that is divided by.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate`,
            `margins_without_grad` and `process_group`, as in `LossWithMemory`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.
        Buffer `seen`: (C,) float32.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> criterion = SeesawLoss(2)
        >>> logits = torch.zeros(3, 2, requires_grad=True)
        >>> criterion(logits, torch.tensor([0, 0, 1])).backward()
        >>> criterion.seen
        tensor([2., 1.])

    Source: Wang et al., CVPR 2021.
    """

    seen: Tensor

    def __init__(
        self,
        num_classes: int,
        weight: Tensor | None = None,
        *,
        p: float = 0.8,
        q: float = 2.0,
        eps: float = 1e-2,
        **arguments: Unpack[MemoryArguments],
    ) -> None:
        _check(p, q, eps)
        super().__init__(num_classes, weight, statistics=("seen",), **arguments)
        self.p = p
        self.q = q
        self.eps = eps

    def margins_for(self, logits: Tensor, target: Tensor) -> Margins:
        """Margins of log(M C) for the classes other than the target."""
        return _margins(logits, target, self.seen, self.p, self.q, self.eps)

    def learn(self, log_probs: Tensor, target: Tensor) -> None:
        """Contribute the samples of one batch, counted by class."""
        dim = class_dimension(log_probs)
        if target.is_floating_point():
            kept = log_probs.isfinite().all(dim) & target.isfinite().all(dim)
            target = target.movedim(dim, -1).reshape(-1, self.num_classes)
        else:
            kept = F.nll_loss(log_probs, target, ignore_index=self.ignore_index, reduction="none").isfinite()
            target = target.flatten()
        self.contribute(self._counted(target, kept.flatten()))

    def learn_received(self, received: Received) -> None:
        """Contribute the samples of one batch, counted by class."""
        self.contribute(self._counted(received.target, received.losses.isfinite()))

    def _counted(self, target: Tensor, kept: Tensor) -> Tensor:
        if target.is_floating_point():
            return target.to(self.seen.dtype).masked_fill(~kept[:, None], 0).sum(0)
        kept = kept & (target != self.ignore_index)
        index = target.clamp(0, self.num_classes - 1)
        return torch.zeros_like(self.seen).index_add_(0, index, kept.to(self.seen.dtype))

    def update(self, *sums: Tensor) -> None:
        """Add the counts of a step."""
        self.remember(seen=self.seen + sums[0])

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, p={self.p}, q={self.q}, eps={self.eps}"


def _check(p: float, q: float, eps: float) -> None:
    check_strength("p", p)
    check_strength("q", q)
    check_size("eps", eps)


def _margins(logits: Tensor, target: Tensor, seen: Tensor, p: float, q: float, eps: float) -> Margins:
    """Margins of log(M C), which is 0 at an index target."""
    if p == 0 and q == 0:
        return Margins()
    if q == 0:
        shift = _mitigation(logits, target, seen, p)
    elif p == 0:
        shift = _compensation(logits, target, eps).mul_(q)
    else:
        shift = _mitigation(logits, target, seen, p).add_(_compensation(logits, target, eps), alpha=q)
    if target.is_floating_point():
        shift = shift * (1 - target.detach().to(shift.dtype))
    return Margins(each=shift)


def _mitigation(logits: Tensor, target: Tensor, seen: Tensor, p: float) -> Tensor:
    """Log M, a new tensor of the shape of the logits."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    log_seen = along_classes(seen.to(dtype).clamp_min(1).log() * p, logits)
    own = _at_target(log_seen.expand_as(logits), target, class_dimension(logits))
    return (log_seen - own).clamp_max_(0)


def _compensation(logits: Tensor, target: Tensor, eps: float) -> Tensor:
    """Log C for q = 1, a new tensor of the shape of the logits."""
    dim, lowest = class_dimension(logits), math.log(eps)
    log_scores = logits.detach().log_softmax(dim, dtype=torch.promote_types(logits.dtype, torch.float32))
    if target.is_floating_point():
        own = _at_target(log_scores.clamp_min(lowest), target, dim)
    else:
        own = _at_target(log_scores, target, dim).clamp_min(lowest)
    return log_scores.sub_(own).clamp_min_(0)


def _at_target(values: Tensor, target: Tensor, dim: int) -> Tensor:
    """The value of the target class, or its mean under the target's probabilities; keeps the dimension."""
    if target.is_floating_point():
        return (values * target.detach().to(values.dtype)).sum(dim, keepdim=True)
    index = target.clamp(0, values.shape[dim] - 1).unsqueeze(dim)
    return values.gather(dim, index)
