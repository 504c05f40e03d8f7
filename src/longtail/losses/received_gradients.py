"""The gradient that cross-entropy sends to each classifier, from log-probabilities alone: no backward pass.

With p̃ = softmax of what the loss saw and t the target distribution, ∂L/∂z_j = p̃_j − t_j for every sample.
"""

from torch import Tensor
from torch.nn import functional as F

from longtail.losses.inputs import class_dimension


def received_gradients(log_probs: Tensor, target: Tensor, ignore_index: int = -100) -> tuple[Tensor, Tensor]:
    """Positive gradient on each classifier and negative gradient caused by each class, summed over the samples.

    Args:
        log_probs: (N, C), (N, C, d1, …) or (C,), log p̃ of the adjusted logits.
        target: class indices, or probabilities t. With r = t − p̃, θ_j gains Σ_i relu(r)_ij and φ_k gains
            Σ_i t_ik Σ_j relu(−r)_ij. For indices both are the sum of 1 − p̃_k over the samples of class k.
        ignore_index: index targets of this value are left out, as are samples that are not finite.

    Returns:
        Two (C,) tensors (for index targets the same one twice).
    """
    num_classes = log_probs.shape[class_dimension(log_probs)]
    if not target.is_floating_point():
        nll = F.nll_loss(log_probs, target, ignore_index=ignore_index, reduction="none")
        minus_gradient = nll.nan_to_num_(0, posinf=0).neg_().expm1_()
        # Ignored samples have a loss and a gradient of 0, so they may go to any class that exists.
        index = target.clamp(0, num_classes - 1).long()
        gradient = log_probs.new_zeros(num_classes)
        gradient.index_add_(0, index.flatten(), minus_gradient.flatten(), alpha=-1)
        return gradient, gradient
    finite = _has_finite_loss(log_probs, target).flatten()[:, None]
    log_probs, soft = (rows.movedim(class_dimension(rows), -1).reshape(-1, num_classes) for rows in (log_probs, target))
    residual = (soft - log_probs.exp()).where(finite, 0)
    return residual.relu().sum(0), (soft * (-residual).relu_().sum(1, keepdim=True)).where(finite, 0).sum(0)


def count_samples(log_probs: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """How many samples are neither ignored nor non-finite: a scalar of the dtype of the log-probabilities."""
    if target.is_floating_point():
        entering = _has_finite_loss(log_probs, target)
    else:
        nll = F.nll_loss(log_probs, target, ignore_index=ignore_index, reduction="none")
        entering = nll.isfinite() & (target != ignore_index)
    return entering.sum(dtype=log_probs.dtype)


def _has_finite_loss(log_probs: Tensor, soft_target: Tensor) -> Tensor:
    """Per sample; a class of probability 0 may have a logit of −inf, as in `F.cross_entropy` with indices."""
    terms = (soft_target * log_probs).where(soft_target != 0, 0)
    return (terms.isfinite() & ~log_probs.isnan()).all(class_dimension(log_probs))
