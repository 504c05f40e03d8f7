"""The precision in which a classifier computes its logits."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

LARGE = 1 << 22
"""Number of weights from which training computes in bfloat16: that of 2,048 features and 2,048 classes."""


def logits_precision(classifier: nn.Module, device: torch.device, *, training: bool) -> AbstractContextManager[Any]:
    """A context for the forward pass of a classifier: float32, whatever autocast says, with one exception.

    In training on features, products with the weights of the classifier take most of the time. Those of a large linear
    classifier are left to autocast if that is bfloat16. Evaluation always computes in float32: 8 bits of mantissa are
    too few to tell close logits apart.
    """
    large = isinstance(classifier, nn.Linear) and classifier.weight.numel() >= LARGE
    if training and large and torch.get_autocast_dtype(device.type) == torch.bfloat16:
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
