"""Balanced Softmax (Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020, eq. 3).

    L = −log( n_k e^{z_k} / Σ_j n_j e^{z_j} )

with n the training samples of each class: cross-entropy on z + log n. Raw logits at test time. Equal to the logit
adjustment loss at τ = 1. A class without a sample counts as ½.
"""

from typing import Unpack

from torch import Tensor

from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.margins import Margins
from longtail.losses.shifts import ClassCounts, class_indices, cross_entropy_of, log_prior_of, shifted


def balanced_softmax_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Balanced Softmax: pure, one loss per sample.

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
    adjusted = balanced_softmax_logits(logits, target, class_counts)
    return cross_entropy_of(adjusted, logits, target, weight, ignore_index, label_smoothing)


def balanced_softmax_logits(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
) -> Tensor:
    """Adjusted logits of Balanced Softmax: their cross-entropy with the target is `balanced_softmax_loss`.

    `F.cross_entropy(adjusted, target, …)` then has every argument of PyTorch. An ignored target may have any value; its
    row has no meaning. Arguments and errors as those of `balanced_softmax_loss`.

    Returns:
        The shape of the logits, in float32 at least.

    Example:
        >>> import torch
        >>> balanced_softmax_logits(torch.zeros(1, 2), torch.tensor([0]), [9, 1])
        tensor([[-0.1054, -2.3026]])
    """
    log_prior = log_prior_of(class_counts)
    class_indices(logits, target, log_prior.numel())
    return shifted(logits, log_prior.to(logits.device))


class BalancedSoftmaxLoss(LongTailedLoss):
    """Balanced Softmax as a drop-in for `nn.CrossEntropyLoss` that knows the class counts.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

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
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        log_prior = log_prior_of(class_counts)
        super().__init__(log_prior.numel(), weight, **arguments)
        self.register_buffer("log_prior", log_prior)

    def margins(self) -> Margins:
        """Log π."""
        return Margins(shift=self.log_prior)
