"""What `LongTailedLoss.linear` computes outside of graphs and transforms, and its error for losses that have none."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from longtail.losses.fused import Settings
from longtail.losses.inputs import check_indices
from longtail.losses.linear_head import linear_cross_entropy
from longtail.losses.margins import Margins
from longtail.losses.received_gradients import received_of

if TYPE_CHECKING:
    from longtail.losses.contract import LongTailedLoss


def linear_loss(
    criterion: "LongTailedLoss",
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    margins: Margins,
) -> Tensor:
    """The loss, reduced; a loss that learns also learns from the batch. Arguments as in `linear_cross_entropy`."""
    if criterion.validate or target.device.type == "cpu":  # where it costs no synchronisation
        check_indices(target, criterion.num_classes, criterion.ignore_index)
    training = criterion.has_margins
    loss, own_losses = linear_cross_entropy(
        *(features, weight, bias, target),
        margins if training else Margins(),
        criterion.class_weights() if training else criterion.weight,
        Settings(criterion.ignore_index, criterion.label_smoothing, criterion.reduction),
        fused=criterion.fused,
        validate=criterion.validate,
    )
    if criterion.observes and training and torch.is_grad_enabled():
        criterion.observe_received(received_of(own_losses, target, criterion.num_classes, criterion.ignore_index))
    return loss


def no_linear_error(criterion: "LongTailedLoss") -> ValueError:
    """The error of `linear` for a loss that is not cross-entropy with constant margins and weights of the classes."""
    return ValueError(
        "`linear` must be called on a loss that is cross-entropy on logits shifted, scaled or weighted by "
        "class: GALALoss, BalancedSoftmaxLoss, LogitAdjustmentLoss, LDAMLoss, VSLoss, or ClassBalancedLoss "
        f"with gamma=0. Got {type(criterion).__name__}. Form the logits: "
        "`criterion(F.linear(features, weight, bias), target)`."
    )
