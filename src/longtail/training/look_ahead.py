"""The look-ahead gradient: how the loss on other samples after a step depends on the weight of each sample in it.

Ren et al., NeurIPS 2020, section 3.2: the step is one of gradient descent, and the loss after it cross-entropy on
class-balanced samples. For a linear classifier the gradient has a closed form. (The step of the released code also has
momentum and weight decay. They change the weights at which that loss is computed, not how it depends on a sample.)
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Samples = tuple[Tensor, Tensor]


def look_ahead_gradient(
    classifier: nn.Linear, criterion: nn.Module, batch: Samples, balanced: Samples, rate: float
) -> Tensor:
    """The gradient of the loss after the step with respect to the weight of each sample in the step.

    Args:
        classifier: from D features to C logits; not changed.
        criterion: the loss of the step, a mean over the batch.
        batch: features (B, D) and class indices (B,) of the step.
        balanced: features (M, D) and class indices (M,) of the loss after it.
        rate: the learning rate of the step.

    Returns:
        (B,), at weights of 1: negative for a sample whose larger weight would reduce the loss.

    Example:
        >>> classifier = nn.Linear(2, 2)
        >>> classifier.load_state_dict({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)})
        <All keys matched successfully>
        >>> batch = torch.eye(2), torch.tensor([0, 1])
        >>> look_ahead_gradient(classifier, nn.CrossEntropyLoss(), batch, batch, rate=0.1)
        tensor([-0.0122, -0.0122])
    """
    (features, target), (others, their_target) = batch, balanced
    with torch.enable_grad():
        logits = classifier(features).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(criterion(logits, target), logits)
    with torch.no_grad():
        weight, bias = classifier.weight - rate * gradient.T @ features, classifier.bias
        after = F.linear(others, weight, None if bias is None else bias - rate * gradient.sum(0))
        error = (after.softmax(1) - F.one_hot(their_target, after.shape[1])) / len(others)
        # Sample b moves the weights by −rate · gradient_b ⊗ features_b; the loss after it has the slope error ⊗ others.
        slope = F.linear(features, error.T @ others, None if bias is None else error.sum(0))
        by_weight: Tensor = -rate * (gradient * slope).sum(1)
        return by_weight
