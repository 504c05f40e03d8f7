"""LADE (Hong et al., "Disentangling Label Distribution for Long-tailed Visual Recognition", CVPR 2021).

    L = −log softmax(z + log π)_k + α R
    R = −Σ_c π_c (mean of z_c over the samples of class c − S_c − λ S_c²)
    S_c = log mean_i exp(z_c(x_i)) − log(π_c C)

The first term alone is Balanced Softmax (the paper's PC-softmax is its post-hoc twin); R makes the raw logits those of
a balanced class prior: an estimate of a log density ratio by Donsker and Varadhan, regularised. It belongs to a batch,
not to a sample, and is added to each loss. R as in the authors' code; the paper weights sample i by its own class's
1 / (π_{y_i} C), the code by class c's. Raw logits at test time where the test set is balanced. An empty class counts
as ½; a class without a sample in the batch has the mean 0, as in the code.
"""

from typing import Unpack

from torch import Tensor

from longtail.arguments import check_strength
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.density_ratio import density_ratio_regulariser
from longtail.losses.inputs import checked_target
from longtail.losses.margins import Margins
from longtail.losses.shifts import ClassCounts, cross_entropy_of, log_prior_of, shifted


def lade_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    alpha: float = 0.1,
    lam: float = 0.01,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """LADE: pure, one loss per sample, each with the regulariser of the whole batch.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        class_counts: (C,) training samples of each class, ≥ 0.
        alpha: α ≥ 0, strength of the regulariser; 0 is Balanced Softmax.
        lam: λ ≥ 0, strength of its square.
        weight: (C,) class weights of the cross-entropy.
        ignore_index: index targets of this value take no part.
        label_smoothing: in [0, 1], of the cross-entropy.

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype, count or setting outside what is written above.

    Example:
        >>> import torch
        >>> lade_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), [1, 1], alpha=0.1, lam=0.0)
        tensor([0.3133])

    Source: the authors' code; the defaults are its settings for CIFAR100-LT.
    """
    _check(alpha, lam)
    log_prior = log_prior_of(class_counts)
    target = checked_target(logits, target, log_prior.numel(), ignore_index)
    log_prior = log_prior.to(logits.device)
    losses = cross_entropy_of(shifted(logits, log_prior), logits, target, weight, ignore_index, label_smoothing)
    extra = density_ratio_regulariser(logits, target, log_prior, lam, ignore_index, alpha)
    return _add(losses, extra, target, ignore_index)


class LADELoss(LongTailedLoss):
    """LADE in the place of `nn.CrossEntropyLoss`, for a model that is to know the class counts.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        alpha: α ≥ 0, strength of the regulariser; 0 is Balanced Softmax.
        lam: λ ≥ 0, strength of its square.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> LADELoss([1, 1], lam=0.0)(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
        tensor(0.3133)

    Source: Hong et al., CVPR 2021.
    """

    log_prior: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        alpha: float = 0.1,
        lam: float = 0.01,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        _check(alpha, lam)
        log_prior = log_prior_of(class_counts)
        super().__init__(log_prior.numel(), weight, **arguments)
        self.alpha = alpha
        self.lam = lam
        self.register_buffer("log_prior", log_prior)

    def margins(self) -> Margins:
        """Log π."""
        return Margins(shift=self.log_prior)

    def training_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Balanced Softmax plus α R."""
        loss = super().training_loss(logits, target)
        if self.alpha == 0:
            return loss
        extra = density_ratio_regulariser(logits, target, self.log_prior, self.lam, self.ignore_index, self.alpha)
        if self.reduction == "mean":
            return loss + extra
        if self.reduction == "none":
            return _add(loss, extra, target, self.ignore_index)
        kept = logits.numel() // self.num_classes
        return loss + extra * (kept if target.is_floating_point() else (target != self.ignore_index).sum())

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, alpha={self.alpha}, lam={self.lam}"


def _check(alpha: float, lam: float) -> None:
    check_strength("alpha", alpha)
    check_strength("lam", lam)


def _add(losses: Tensor, extra: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """The regulariser on top of each loss that is not ignored."""
    if target.is_floating_point():
        return losses + extra
    return losses + extra * (target != ignore_index)
