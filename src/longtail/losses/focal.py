"""Focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017), for softmax.

    L = −(1 − p_k)^γ log p_k,   p = softmax(z)

as the code of LDAM compares with it; the paper's own form is for sigmoids. The factor is differentiated too. With
probabilities t as targets (and label smoothing, which makes them) the loss is Σ_j t_j (1 − p_j)^γ (−log p_j).
"""

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import check_strength
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.cross_entropy import cross_entropy_from_log_probs
from longtail.losses.fused import Settings, fuses
from longtail.losses.fused_loss import kernel_cross_entropy, margins_to_fuse
from longtail.losses.inputs import check_arguments, checked_target, class_dimension
from longtail.losses.margins import Margins
from longtail.losses.reduction import reduced, sample_weights


def focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 1.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The focal loss: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        gamma: γ ≥ 0; 0 is cross-entropy. 1 is usual for classification, 2 in detection.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> import torch
        >>> focal_loss(torch.zeros(1, 2), torch.tensor([0]), gamma=1.0)  # ½ log 2
        tensor([0.3466])

    Source: the paper's focal loss with the softmax of the LDAM code.
    """
    check_strength("gamma", gamma)
    num_classes = logits.shape[class_dimension(logits)] if isinstance(logits, Tensor) and logits.dim() else 0
    check_arguments(num_classes, weight, ignore_index, label_smoothing)
    target = checked_target(logits, target, num_classes, ignore_index)
    dtype = torch.promote_types(logits.dtype, torch.float32)
    log_probs = F.log_softmax(logits, class_dimension(logits), dtype=dtype)
    return focal_cross_entropy(log_probs, target, gamma, weight, ignore_index, "none", label_smoothing)


class FocalLoss(LongTailedLoss):
    """The focal loss as a drop-in for `nn.CrossEntropyLoss`.

    Args:
        num_classes: C, at least 2.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        gamma: γ ≥ 0; 0 is cross-entropy.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> FocalLoss(2, gamma=1.0)(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.3466)

    Source: Lin et al., ICCV 2017.
    """

    def __init__(
        self,
        num_classes: int,
        weight: Tensor | None = None,
        *,
        gamma: float = 1.0,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        check_strength("gamma", gamma)
        super().__init__(num_classes, weight, **arguments)
        self.gamma = gamma

    @property
    def combines(self) -> bool:
        """Whether there is a factor; γ may be changed during training."""
        return self.gamma > 0

    def margins_for(self, logits: Tensor, target: Tensor) -> Margins | None:
        """None of its own; `None` where each class has a factor: probabilities as targets, label smoothing."""
        return None if target.is_floating_point() or self.label_smoothing else Margins()

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """The logits as they are."""
        return logits

    def training_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss, from the cross-entropy of each sample where the kernel computes it."""
        fused = self.gamma > 0 and fuses(self.fused, logits, target)
        if not fused or (margins := margins_to_fuse(self, logits, target)) is None:
            return super().training_loss(logits, target)
        settings = Settings(self.ignore_index, reduction="none")
        losses, _ = kernel_cross_entropy(logits, target, margins, None, settings)
        return focal_of_losses(losses, target, self.gamma, self.weight, self.ignore_index, self.reduction)

    def combine(self, log_probs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy whose every term counts (1 − p)^γ times."""
        return focal_cross_entropy(
            log_probs, target, self.gamma, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, gamma={self.gamma}"


def focal_cross_entropy(
    log_probs: Tensor,
    target: Tensor,
    gamma: float,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    """`cross_entropy_from_log_probs` whose every term counts (1 − p)^γ times."""
    if gamma == 0 or target.is_floating_point() or label_smoothing > 0:
        terms = focused(log_probs, gamma)
        return cross_entropy_from_log_probs(terms, target, weight, ignore_index, reduction, label_smoothing)
    # Of indices only one term per sample counts: take those first, the factor costs as much as the softmax.
    own = F.nll_loss(log_probs, target, ignore_index=ignore_index, reduction="none")
    return focal_of_losses(own, target, gamma, weight, ignore_index, reduction)


def focal_of_losses(
    losses: Tensor, target: Tensor, gamma: float, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """The focal loss from the cross-entropy of each sample, −log p, of class indices."""
    losses = -focused(-losses, gamma)
    if weight is not None:
        losses = losses * sample_weights(target, weight, ignore_index, losses.dtype)
    return reduced(losses, target, weight, ignore_index, reduction)


def focused(log_probs: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ log p, whose gradient is finite also at p = 1, and 1 at p = 0."""
    if gamma == 0:
        return log_probs
    impossible = log_probs == -torch.inf  # p log p → 0, but 0 · ∞ is NaN
    given, log_probs = log_probs, log_probs.masked_fill(impossible, 0)
    doubt = -torch.expm1(log_probs)
    if gamma != 1:
        doubt = doubt.clamp_min(torch.finfo(doubt.dtype).tiny) ** gamma
    return torch.where(impossible, given, doubt * log_probs)
