"""The precision in which a classifier computes its logits."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

LARGE = 1 << 22
"""Weights from which training in bfloat16 multiplies by them in bfloat16: 2,048 features, 2,048 classes."""


def logits_precision(classifier: nn.Module, device: torch.device, *, training: bool) -> AbstractContextManager[Any]:
    """A context for the forward pass of a classifier: float32, whatever autocast says, with one exception.

    In training on features the products with the weights of the classifier are nearly all there is to compute. With a
    large linear classifier they are left to autocast where that is bfloat16. Scores are always those of float32: 8
    bits of mantissa are too few to tell close logits apart.
    """
    large = isinstance(classifier, nn.Linear) and classifier.weight.numel() >= LARGE
    if training and large and torch.get_autocast_dtype(device.type) == torch.bfloat16:
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
