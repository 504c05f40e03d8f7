"""Logit adjustment (Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021).

    L = −log softmax(z + τ log π)_k,   π_j = n_j / N

Consistent for the balanced error at τ = 1, where it is Balanced Softmax. Raw logits at test time: the adjustment after
training, `PostHocLogitAdjustment`, is for models trained without this loss, never on top of it. A class without a
sample counts as ½ (a public port adds 1e-12 to π^τ instead, which all but removes such a class).
"""

from typing import Unpack

from torch import Tensor

from longtail.arguments import check_strength
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.margins import Margins
from longtail.losses.shifts import ClassCounts, class_indices, cross_entropy_of, log_prior_of, shifted


def logit_adjustment_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    tau: float = 1.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The logit-adjusted loss: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        class_counts: (C,) training samples of each class, ≥ 0.
        tau: τ ≥ 0; 0 is cross-entropy.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype, count or setting outside what is written above.

    Example:
        >>> import torch
        >>> logit_adjustment_loss(torch.zeros(2, 2), torch.tensor([0, 1]), [9, 1], tau=2.0)
        tensor([0.0123, 4.4067])

    Source: the paper's logit-adjusted softmax cross-entropy.
    """
    adjusted = logit_adjustment_logits(logits, target, class_counts, tau=tau)
    return cross_entropy_of(adjusted, logits, target, weight, ignore_index, label_smoothing)


def logit_adjustment_logits(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    tau: float = 1.0,
) -> Tensor:
    """Adjusted logits of the logit-adjusted loss: their cross-entropy with the target is `logit_adjustment_loss`.

    `F.cross_entropy(adjusted, target, …)` then has every argument of PyTorch. An ignored target may have any value; its
    row has no meaning. Arguments and errors as those of `logit_adjustment_loss`.

    Returns:
        The shape of the logits, in float32 at least; the same object as the logits where `tau` is 0.

    Example:
        >>> import torch
        >>> logit_adjustment_logits(torch.zeros(1, 2), torch.tensor([0]), [9, 1], tau=2.0)
        tensor([[-0.2107, -4.6052]])
    """
    check_strength("tau", tau)
    shift = log_prior_of(class_counts) * tau
    class_indices(logits, target, shift.numel())
    return shifted(logits, shift.to(logits.device)) if tau else logits


class LogitAdjustmentLoss(LongTailedLoss):
    """The logit-adjusted loss as a drop-in for `nn.CrossEntropyLoss` that knows the class counts.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        tau: τ ≥ 0; 0 is cross-entropy.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> LogitAdjustmentLoss([9, 1], tau=2.0)(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(2.2095)

    Source: Menon et al., ICLR 2021.
    """

    shift: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        tau: float = 1.0,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        check_strength("tau", tau)
        log_prior = log_prior_of(class_counts)
        super().__init__(log_prior.numel(), weight, **arguments)
        self.tau = tau
        self.register_buffer("shift", tau * log_prior)

    def margins(self) -> Margins:
        """Τ log π."""
        return Margins(shift=self.shift) if self.tau else Margins()

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, tau={self.tau}"
