"""The gradient that cross-entropy sends to each classifier, from log-probabilities alone: no backward pass.

With p̃ = softmax of what the loss saw and t the target distribution, ∂L/∂z_j = p̃_j − t_j for every sample.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.autocast import without_autocast
from longtail.losses.fused import Received
from longtail.losses.inputs import class_dimension


def received_gradients(log_probs: Tensor, target: Tensor, ignore_index: int = -100) -> tuple[Tensor, Tensor]:
    """Positive gradient on each classifier and negative gradient caused by each class, summed over the samples.

    Args:
        log_probs: (N, C), (N, C, d1, …) or (C,), log p̃ of the adjusted logits.
        target: class indices, int64, or probabilities t. With r = t − p̃, θ_j gains Σ_i relu(r)_ij and φ_k gains
            Σ_i t_ik Σ_j relu(−r)_ij. For indices both are the sum of 1 − p̃_k over the samples of class k.
        ignore_index: index targets of this value are left out, as are samples that are not finite.

    Returns:
        Two (C,) tensors (for index targets the same one twice).
    """
    num_classes = log_probs.shape[class_dimension(log_probs)]
    if not target.is_floating_point():
        nll = F.nll_loss(log_probs, target, ignore_index=ignore_index, reduction="none")
        gradient = gradient_from_losses(nll, target, num_classes)
        return gradient, gradient
    log_probs, soft = (rows.movedim(class_dimension(rows), -1).reshape(-1, num_classes) for rows in (log_probs, target))
    soft = soft.to(log_probs.dtype)
    broken = ~_finite_losses(log_probs, soft)[:, None]
    soft = soft.masked_fill(broken, 0)
    probs = log_probs.exp().masked_fill_(broken, 0)
    excess = probs.sum(1) - soft.sum(1)  # Σ relu(−r) − Σ relu(r): 0 for distributions, but for rounding
    minus_positive = probs.sub_(soft).clamp_max_(0)  # in place: neither forward-mode nor `vmap` takes `out=`
    with without_autocast(soft.device.type):
        return -minus_positive.sum(0), (excess - minus_positive.sum(1)) @ soft


def gradient_from_losses(own_losses: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """The sum of 1 − p̃_k = 1 − e^{−loss} over the samples of each class k, (C,); the losses are overwritten.

    Args:
        own_losses: −log p̃_k of each sample, 0 where it is ignored; those that are not finite are left out.
        target: class indices, int64, of the same shape.
        num_classes: C.
    """
    minus_gradient = own_losses.nan_to_num_(0, posinf=0).neg_().expm1_().flatten()
    # Ignored samples have a loss and a gradient of 0, so they may go to any class that exists.
    index = target.clamp(0, num_classes - 1).flatten()
    dtype = _sum_dtype(minus_gradient)
    gradient = torch.zeros(num_classes, dtype=dtype, device=own_losses.device)
    if dtype == own_losses.dtype:  # a conversion to the same dtype still costs a microsecond
        gradient.index_add_(0, index, minus_gradient, alpha=-1)
    else:
        gradient = gradient.index_add_(0, index, minus_gradient.to(dtype), alpha=-1).to(own_losses.dtype)
    return gradient


def received_of(own_losses: Tensor, target: Tensor, num_classes: int, ignore_index: int) -> Received:
    """What a loss with memory learns from a batch of index targets; losses as in `gradient_from_losses`, kept."""
    samples = (own_losses.isfinite() & (target != ignore_index)).sum(dtype=own_losses.dtype)
    gradient = gradient_from_losses(own_losses.clone(), target, num_classes)
    return Received(gradient, gradient, samples, own_losses, target)


def count_samples(log_probs: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """How many samples are neither ignored nor non-finite: a scalar of the dtype of the log-probabilities."""
    if target.is_floating_point():
        dim = class_dimension(log_probs)
        entering = _finite_losses(log_probs.movedim(dim, -1), target.movedim(dim, -1).to(log_probs.dtype))
    else:
        nll = F.nll_loss(log_probs, target, ignore_index=ignore_index, reduction="none")
        entering = nll.isfinite() & (target != ignore_index)
    return entering.sum(dtype=log_probs.dtype)


def _finite_losses(log_probs: Tensor, soft: Tensor) -> Tensor:
    losses: Tensor = torch.linalg.vecdot(soft, log_probs)
    return losses.isfinite()


def _sum_dtype(values: Tensor) -> torch.dtype:
    """float64 where so many values (pixels) come together that float32 would lose the last of them."""
    return torch.float64 if values.numel() > 65_536 and values.device.type != "mps" else values.dtype
