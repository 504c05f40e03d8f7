"""Class-balanced loss (Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019).

    L = w_k · base(z, k),   w_j ∝ ((1 − β) / (1 − β^{n_j}))^ρ,   Σ_j w_j = C

with cross-entropy or the focal loss as base. β = 0 weights all classes alike, β → 1 by inverse frequency. Under "mean"
the sum is divided by the sum of the weights, as `nn.CrossEntropyLoss(weight=…)` and the code of LDAM do; the paper's
own code divides by the batch size. An empty class is left out of Σ_j w_j = C and gets the weight of half a sample.

The paper has ρ = 1. With β = 1 the weights are those of the generalised re-weighting of DisAlign (Zhang et al.,
"Distribution Alignment", CVPR 2021), π_j^{−ρ}; its code divides by the sum of the weights too.
"""

from typing import Unpack

import torch
from torch import Tensor

from longtail.arguments import check_fraction, check_strength
from longtail.class_vectors import as_class_counts
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.focal import focal_cross_entropy, focal_loss
from longtail.losses.inputs import along_classes, check_arguments, checked_target, class_dimension
from longtail.losses.margins import Margins
from longtail.losses.reduction import divisor_of_mean, mean_or_one
from longtail.losses.shifts import ClassCounts, counts_of

SMALLEST = 1e-30  # weight of a loss


def class_balanced_weights(class_counts: ClassCounts, beta: float = 0.9999, power: float = 1.0) -> Tensor:
    """The weight of each class, (C,) float64, of mean 1 over the classes that have samples.

    Args:
        class_counts: (C,) training samples of each class, ≥ 0.
        beta: β in [0, 1]; at 1 the weights are the limit, inverse frequencies.
        power: ρ ≥ 0, the exponent of the weights; 0 weights all classes alike.

    Raises:
        ValueError: a count or setting outside what is written above; weights that are not finite.
        TypeError: no numbers.

    Example:
        >>> class_balanced_weights([100, 1], beta=0.99).round(decimals=3)
        tensor([0.0310, 1.9690], dtype=torch.float64)

    Source: eqs. 2 and 4 of the paper; the power from Zhang et al., CVPR 2021.
    """
    check_fraction("beta", beta)
    check_strength("power", power)
    counts = counts_of(class_counts)
    if beta == 1:
        weights = 1 / counts
    else:
        weights = (1 - beta) / -torch.expm1(counts * torch.tensor(beta, dtype=torch.float64).log())
    if power != 1:
        weights = (weights / weights.max()) ** power  # the largest is 1, so that they do not all underflow to 0
    weights = weights / weights[as_class_counts(class_counts) > 0].mean()
    _refuse(weights, ~weights.isfinite(), power)
    return weights


def mean_weight(target: Tensor, weight: Tensor) -> Tensor | float:
    """What a mean over probabilities t must be divided by to be Σ_i ℓ_i / Σ_ij t_ij w_j, as it is with indices.

    `F.cross_entropy` divides a mean by the weights of the samples where targets are indices, and by their number where
    targets are probabilities. Class-balanced weights are far below 1 for most samples: mixing must not shrink the step.
    """
    if not target.is_floating_point():
        return 1.0
    weights = (target.detach() * along_classes(weight.to(target.dtype), target)).sum(class_dimension(target))
    return mean_or_one(weights)


def class_balanced_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    beta: float = 0.9999,
    power: float = 1.0,
    gamma: float = 0.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The class-balanced loss: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        class_counts: (C,) training samples of each class, ≥ 0.
        beta: β in [0, 1].
        power: ρ ≥ 0, the exponent of the weights.
        gamma: γ ≥ 0 of the focal loss; 0 is cross-entropy.
        weight: (C,) class weights, multiplied with those of the loss.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype, count or setting outside what is written above; a `power` with which a
            weight is below 1e-30 or above 1e30.

    Example:
        >>> import torch
        >>> class_balanced_loss(torch.zeros(2, 2), torch.tensor([0, 1]), [100, 1], beta=0.99)
        tensor([0.0215, 1.3648])

    Source: eq. 4 of the paper.
    """
    weights = _weights_of_losses(class_counts, beta, power)
    check_arguments(weights.numel(), weight, ignore_index, label_smoothing)
    target = checked_target(logits, target, weights.numel(), ignore_index)
    weights = weights.to(logits.device) if weight is None else weights.to(logits.device) * weight
    return focal_loss(
        logits, target, gamma=gamma, weight=weights, ignore_index=ignore_index, label_smoothing=label_smoothing
    )


class ClassBalancedLoss(LongTailedLoss):
    """The class-balanced loss as a drop-in for `nn.CrossEntropyLoss` that knows the class counts.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, multiplied with those of the loss (which act in training only).
        beta: β in [0, 1]; 0 weights all classes alike.
        power: ρ ≥ 0, the exponent of the weights; with `beta=1` they are the ρ-th power of inverse frequencies.
        gamma: γ ≥ 0 of the focal loss; 0 is cross-entropy.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above; a `power` with which a
            weight is below 1e-30 or above 1e30.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> ClassBalancedLoss([100, 1], beta=0.99, reduction="sum")(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(1.3863)

    Source: Cui et al., CVPR 2019.
    """

    class_weight: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        beta: float = 0.9999,
        power: float = 1.0,
        gamma: float = 0.0,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        check_strength("gamma", gamma)
        class_weight = _weights_of_losses(class_counts, beta, power)
        super().__init__(class_weight.numel(), weight, **arguments)
        self.beta = beta
        self.power = power
        self.gamma = gamma
        self.register_buffer("class_weight", class_weight)

    @property
    def combines(self) -> bool:
        """Whether there are weights or a factor; γ may be changed during training."""
        return (self.beta > 0 and self.power > 0) or self.gamma > 0

    def margins(self) -> Margins | None:
        """None but the weights, unless the base is the focal loss."""
        return Margins() if self.gamma == 0 else None

    def class_weights(self) -> Tensor:
        """The weights of the loss times those of the user."""
        return self.class_weight if self.weight is None else self.class_weight * self.weight

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """The logits as they are."""
        return logits

    def combine(self, log_probs: Tensor, target: Tensor) -> Tensor:
        """The base loss, weighted."""
        weight = self.class_weights()
        loss = focal_cross_entropy(
            log_probs, target, self.gamma, weight, self.ignore_index, self.reduction, self.label_smoothing
        )
        return loss / mean_weight(target, weight) if self.reduction == "mean" else loss

    def mean_divisor(self, target: Tensor) -> Tensor:
        """As every loss, with the weights of the classes."""
        if not self.combines:
            return super().mean_divisor(target)
        weight = self.class_weights()
        return divisor_of_mean(target, weight, self.ignore_index) * mean_weight(target, weight)

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, beta={self.beta}, power={self.power}, gamma={self.gamma}"


def _weights_of_losses(class_counts: ClassCounts, beta: float, power: float) -> Tensor:
    """The weights, of which none is 0 or infinite in float32, nor its product with a loss."""
    weights = class_balanced_weights(class_counts, beta, power)
    _refuse(weights, ~((weights >= SMALLEST) & (weights <= 1 / SMALLEST)), power)
    return weights


def _refuse(weights: Tensor, wrong: Tensor, power: float) -> None:
    if wrong.any():
        place = int(wrong.nonzero()[0])
        raise ValueError(
            f"`power` must leave weights between {SMALLEST:g} and {1 / SMALLEST:g} for these `class_counts`. Got "
            f"{power!r}, and a weight of {weights[place].item():g} for class {place}. Choose a smaller `power`."
        )
