"""Balanced Softmax (Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020, eq. 3).

    L = −log( n_k e^{z_k} / Σ_j n_j e^{z_j} )

with n the training samples of each class: cross-entropy on z + log n. Raw logits at test time. Equal to the logit
adjustment loss at τ = 1. A class without a sample counts as ½.
"""

from torch import Tensor

from longtail.losses.contract import LongTailedLoss
from longtail.losses.shifts import ClassCounts, cross_entropy_on, log_prior_of, shifted


def balanced_softmax_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Balanced Softmax: pure, one loss a sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        class_counts: (C,) training samples of each class, ≥ 0.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype or count outside what is written above.

    Example:
        >>> import torch
        >>> balanced_softmax_loss(torch.zeros(2, 2), torch.tensor([0, 1]), [9, 1])
        tensor([0.1054, 2.3026])

    Source: eq. 3 of the paper.
    """
    log_prior = log_prior_of(class_counts).to(logits.device)
    return cross_entropy_on(
        lambda z, _: shifted(z, log_prior), logits, target, log_prior.numel(), weight, ignore_index, label_smoothing
    )


class BalancedSoftmaxLoss(LongTailedLoss):
    """Balanced Softmax as a drop-in for `nn.CrossEntropyLoss` that knows the class counts.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`; so are the next three.
        ignore_index: targets of this value count for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: in [0, 1].
        validate: check values on every call; synchronises the device.
        margins_without_grad: in training mode, do not become plain cross-entropy without gradients (`torch.no_grad()`).

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> BalancedSoftmaxLoss([9, 1])(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(1.2040)

    Source: Ren et al., NeurIPS 2020, eq. 3.
    """

    log_prior: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        validate: bool = False,
        margins_without_grad: bool = False,
    ) -> None:
        log_prior = log_prior_of(class_counts)
        super().__init__(
            log_prior.numel(),
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
            validate=validate,
            margins_without_grad=margins_without_grad,
        )
        self.register_buffer("log_prior", log_prior)

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """Z + log π."""
        return shifted(logits, self.log_prior)
