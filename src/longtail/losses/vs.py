"""VS (Kini et al., "Label-Imbalanced and Group-Sensitive Classification under Overparameterization", NeurIPS 2021).

    L = −log softmax(z / Δ + ι)_k,   Δ_j = (n_max / n_j)^γ ≥ 1,   ι_j = τ log π_j

Additive margins act early in training, multiplicative ones also where the training set is separated. γ = 0 is logit
adjustment, τ = 0 the class-dependent temperature of CDT. A class without a sample counts as ½.
"""

from typing import Unpack

from torch import Tensor

from longtail.arguments import check_strength
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.margins import Margins, scaled_and_shifted
from longtail.losses.shifts import ClassCounts, class_indices, counts_of, cross_entropy_of


def vs_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    gamma: float = 0.3,
    tau: float = 1.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The VS loss: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        class_counts: (C,) training samples of each class, ≥ 0.
        gamma: γ ≥ 0, strength of the multiplicative margins.
        tau: τ ≥ 0, strength of the additive ones.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype, count or setting outside what is written above.

    Example:
        >>> import torch
        >>> vs_loss(torch.tensor([[2.0, 2.0]]), torch.tensor([1]), [16, 1], gamma=0.5, tau=0.0)
        tensor([1.7014])

    Source: the paper's vector-scaling loss; the defaults are those of its code.
    """
    adjusted = vs_logits(logits, target, class_counts, gamma=gamma, tau=tau)
    return cross_entropy_of(adjusted, logits, target, weight, ignore_index, label_smoothing)


def vs_logits(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    gamma: float = 0.3,
    tau: float = 1.0,
) -> Tensor:
    """Adjusted logits of the VS loss: their cross-entropy with the target is `vs_loss`.

    `F.cross_entropy(adjusted, target, …)` then has every argument of PyTorch. An ignored target may have any value; its
    row has no meaning. Arguments and errors as those of `vs_loss`.

    Returns:
        The shape of the logits, in float32 at least; the same object as the logits where `gamma` and `tau` are 0.

    Example:
        >>> import torch
        >>> vs_logits(torch.tensor([[2.0, 2.0]]), torch.tensor([1]), [16, 1], gamma=0.5, tau=0.0)
        tensor([[2.0000, 0.5000]])
    """
    margins = _margins(class_counts, gamma, tau)
    class_indices(logits, target, margins[0].numel())
    factor, shift = (vector.to(logits.device) for vector in margins)
    return scaled_and_shifted(logits, factor, shift) if gamma or tau else logits


class VSLoss(LongTailedLoss):
    """The VS loss as a drop-in for `nn.CrossEntropyLoss` that knows the class counts.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        gamma: γ ≥ 0, strength of the multiplicative margins.
        tau: τ ≥ 0, strength of the additive ones. With both 0 it is cross-entropy.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> VSLoss([16, 1], gamma=0.5, tau=0.0)(torch.tensor([[2.0, 2.0]]), torch.tensor([1]))
        tensor(1.7014)

    Source: Kini et al., NeurIPS 2021.
    """

    factor: Tensor
    shift: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        gamma: float = 0.3,
        tau: float = 1.0,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        factor, shift = _margins(class_counts, gamma, tau)
        super().__init__(shift.numel(), weight, **arguments)
        self.gamma = gamma
        self.tau = tau
        self.register_buffer("factor", factor)
        self.register_buffer("shift", shift)

    def margins(self) -> Margins:
        """1 / Δ and ι."""
        return Margins(self.factor, self.shift) if self.gamma or self.tau else Margins()

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, gamma={self.gamma}, tau={self.tau}"


def _margins(class_counts: ClassCounts, gamma: float, tau: float) -> tuple[Tensor, Tensor]:
    """1 / Δ and ι."""
    check_strength("gamma", gamma)
    check_strength("tau", tau)
    counts = counts_of(class_counts)
    return (counts / counts.max()) ** gamma, tau * (counts / counts.sum()).log()
