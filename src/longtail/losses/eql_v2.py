"""EQL v2 (Tan et al., "Equalization Loss v2: A New Gradient Balance Approach for Long-tailed Object Detection", 2021).

One sigmoid per class, each with its own balance of gradients. With q_j the positive over the negative gradient that
classifier j has received so far and f(q) = 1 / (1 + e^{−γ(q − μ)}),

    L = Σ_j w_j BCE(σ(z_j), t_j),   w_j = t_j (1 + α (1 − f(q_j))) + (1 − t_j) f(q_j)

and then |σ_j − t_j| w_j t_j is added to the positive, |σ_j − t_j| w_j (1 − t_j) to the negative gradient. Before the
first step q = 100, so that no class is held back. The paper's objectness column belongs to detection and is left out.
Not a softmax: adding a constant to a row of logits changes the loss. Predictions are the largest logit all the same,
and in `eval()` the loss is plain cross-entropy, as everywhere here.
"""

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import check_strength
from longtail.losses.fused import is_compiled, is_eager
from longtail.losses.inputs import along_classes, as_statistics, check_arguments, checked_target, class_dimension
from longtail.losses.loss_with_memory import LossWithMemory, MemoryArguments
from longtail.losses.memory import refuse_vmap
from longtail.losses.reduction import mean_or_one, reduced, sample_weights
from longtail.losses.sigmoid_terms import sigmoid_terms

UNTRAINED_RATIO = 100.0


def eql_v2_loss(
    logits: Tensor,
    target: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    gamma: float = 12.0,
    mu: float = 0.8,
    alpha: float = 4.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """EQL v2 for given gradients: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities t of the shape of the logits.
        positive: (C,) positive gradient so far, ≥ 0.
        negative: (C,) negative gradient so far, ≥ 0.
        gamma: γ ≥ 0, steepness of f.
        mu: μ ≥ 0, the ratio at which f is ½.
        alpha: α ≥ 0, how much more the positive gradient counts for a class that lacks it.
        weight: (C,) weights of the samples by their class.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1], of t.

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> import torch
        >>> eql_v2_loss(torch.zeros(1, 2), torch.tensor([0]), torch.zeros(2), torch.zeros(2))  # 2 log 2
        tensor([1.3863])

    Source: section 3 of the paper; the defaults are its own.
    """
    _check(gamma, mu, alpha)
    positive, negative = as_statistics(positive=positive, negative=negative)
    check_arguments(positive.numel(), weight, ignore_index, label_smoothing)
    target = checked_target(logits, target, positive.numel(), ignore_index)
    labels = _labels(logits, target, ignore_index, label_smoothing)
    terms = _weighted_terms(logits, labels, positive, negative, gamma, mu, alpha)
    losses = terms.sum(class_dimension(logits)) * _sample_weight(labels, target, weight, ignore_index)
    return losses if target.is_floating_point() else reduced(losses, target, weight, ignore_index, "none")


class EQLv2Loss(LossWithMemory):
    """EQL v2 in the place of `nn.CrossEntropyLoss`; it keeps the gradients itself and needs no class counts.

    Args:
        num_classes: C, at least 2.
        weight: (C,) weights of the samples by their class; "mean" divides by their sum.
        gamma: γ ≥ 0, steepness of f.
        mu: μ ≥ 0, the ratio at which f is ½.
        alpha: α ≥ 0, how much more the positive gradient counts for a class that lacks it.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate`,
            `margins_without_grad` and `process_group`, as in `LossWithMemory`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.
        Buffers `positive`, `negative`: (C,) float32.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> criterion = EQLv2Loss(2)
        >>> logits = torch.zeros(1, 2, requires_grad=True)
        >>> criterion(logits, torch.tensor([0])).backward()
        >>> criterion.positive, criterion.negative
        (tensor([0.5000, 0.0000]), tensor([0.0000, 0.5000]))

    Source: Tan et al., CVPR 2021.
    """

    positive: Tensor
    negative: Tensor

    def __init__(
        self,
        num_classes: int,
        weight: Tensor | None = None,
        *,
        gamma: float = 12.0,
        mu: float = 0.8,
        alpha: float = 4.0,
        **arguments: Unpack[MemoryArguments],
    ) -> None:
        _check(gamma, mu, alpha)
        super().__init__(num_classes, weight, statistics=("positive", "negative"), **arguments)
        self.gamma = gamma
        self.mu = mu
        self.alpha = alpha

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """The logits as they are."""
        return logits

    def training_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Weighted binary cross-entropies, summed over the classes."""
        dim = class_dimension(logits)
        if self._has_closed_form(logits, target):
            losses = self._closed_form(logits, target)
            return reduced(losses, target, self.weight, self.ignore_index, self.reduction)
        labels = _labels(logits, target, self.ignore_index, self.label_smoothing)
        settings = (self.positive, self.negative, self.gamma, self.mu, self.alpha)
        sample_weight = _sample_weight(labels, target, self.weight, self.ignore_index)
        losses = _weighted_terms(logits, labels, *settings).sum(dim) * sample_weight
        if torch.is_grad_enabled():
            with torch.no_grad():
                unsmoothed = _labels(logits, target, self.ignore_index, 0.0) if self.label_smoothing else labels
                self._learn_gradients(logits, unsmoothed, sample_weight != 0)
        if not target.is_floating_point():
            return reduced(losses, target, self.weight, self.ignore_index, self.reduction)
        if self.reduction == "mean":
            return losses.mean() / mean_or_one(sample_weight)
        return losses.sum() if self.reduction == "sum" else losses

    def _has_closed_form(self, logits: Tensor, target: Tensor) -> bool:
        sharp = not target.is_floating_point() and self.label_smoothing == 0
        if not sharp or logits.dim() != 2 or not logits.numel():
            return False
        return is_eager(logits, target) or is_compiled(logits, target)

    def _closed_form(self, logits: Tensor, target: Tensor) -> Tensor:
        """The weighted loss of each sample; learns."""
        pull, push = _weights(logits, self.positive, self.negative, self.gamma, self.mu, self.alpha)
        sample_weight = sample_weights(target, self.weight, self.ignore_index, push.dtype)
        index = target.masked_fill(target == self.ignore_index, 0)
        losses, received = sigmoid_terms(logits.to(push.dtype), index, pull, push, sample_weight == 0)
        if torch.is_grad_enabled() and not self._paused:
            self.contribute(*received)
        return losses * sample_weight

    def _learn_gradients(self, logits: Tensor, labels: Tensor, kept: Tensor) -> None:
        if self._paused:
            return
        refuse_vmap(logits, labels)
        dim = class_dimension(logits)
        pull, push = _weights(logits, self.positive, self.negative, self.gamma, self.mu, self.alpha)
        error = (logits.to(labels.dtype).sigmoid() - labels).abs()
        masked_right = (logits == -torch.inf) & (labels == 0)
        entering = kept & (logits.isfinite() | masked_right).all(dim) & labels.isfinite().all(dim)
        entering = entering.unsqueeze(dim)
        error = error.masked_fill(~entering, 0)
        weighted = error * (labels * pull + (1 - labels) * push)
        others = [d for d in range(logits.dim()) if d != dim]
        received = (weighted * labels, weighted * (1 - labels))
        sums = [part.masked_fill(~entering, 0).sum(others) if others else part for part in received]
        self.contribute(*sums)

    def update(self, *sums: Tensor) -> None:
        """Add the gradients of a step."""
        self.remember(positive=self.positive + sums[0], negative=self.negative + sums[1])

    def mean_divisor(self, target: Tensor) -> Tensor:
        """As every loss, but probabilities count with the weights of their classes."""
        samples = super().mean_divisor(target)
        if not target.is_floating_point():
            return samples
        return samples * mean_or_one(_sample_weight(target, target, self.weight, self.ignore_index))

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, gamma={self.gamma}, mu={self.mu}, alpha={self.alpha}"


def _check(gamma: float, mu: float, alpha: float) -> None:
    check_strength("gamma", gamma)
    check_strength("mu", mu)
    check_strength("alpha", alpha)


def _labels(logits: Tensor, target: Tensor, ignore_index: int, label_smoothing: float) -> Tensor:
    """t, of the shape of the logits, in float32 at least."""
    dim, dtype = class_dimension(logits), torch.promote_types(logits.dtype, torch.float32)
    num_classes = logits.shape[dim]
    if target.is_floating_point():
        labels = target.to(dtype)
    else:
        index = torch.where(target == ignore_index, 0, target).unsqueeze(dim)
        try:
            labels = torch.zeros_like(logits, dtype=dtype).scatter(dim, index, 1.0)
        except RuntimeError as error:
            raise IndexError(f"`target` must lie in [0, {num_classes}).") from error
    return labels if label_smoothing == 0 else labels * (1 - label_smoothing) + label_smoothing / num_classes


def _weights(
    logits: Tensor, positive: Tensor, negative: Tensor, gamma: float, mu: float, alpha: float
) -> tuple[Tensor, Tensor]:
    """Weights of the positive and of the negative terms, along the classes."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    trained = (positive > 0) | (negative > 0)
    ratio = torch.where(trained, positive / (negative + 1e-10), UNTRAINED_RATIO)
    balance = along_classes((gamma * (ratio - mu)).sigmoid().to(dtype), logits)
    return 1 + alpha * (1 - balance), balance


def _weighted_terms(
    logits: Tensor, labels: Tensor, positive: Tensor, negative: Tensor, gamma: float, mu: float, alpha: float
) -> Tensor:
    pull, push = _weights(logits, positive, negative, gamma, mu, alpha)
    masked = logits == -torch.inf
    constant = labels.detach()
    terms = F.binary_cross_entropy_with_logits(logits.to(labels.dtype).masked_fill(masked, 0), labels, reduction="none")
    # For a logit of −∞ torch computes ∞ − ∞. It is right where t = 0, and infinitely wrong elsewhere.
    terms = torch.where(masked, torch.where(constant > 0, torch.inf, 0.0), terms)
    return terms * (constant * pull + (1 - constant) * push)


def _sample_weight(labels: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
    """The weight of each sample by its class; 0 where it is ignored."""
    if not target.is_floating_point():
        return sample_weights(target, weight, ignore_index, labels.dtype)
    probabilities = target.detach().to(labels.dtype)
    if weight is not None:
        probabilities = probabilities * along_classes(weight.to(labels.dtype), labels)
    return probabilities.sum(class_dimension(labels))
