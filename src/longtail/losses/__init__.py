"""Losses for long-tailed data: one paper a file, each a function (one loss a sample) and a module (a drop-in).

Every module takes the place of `nn.CrossEntropyLoss` in a training loop:

    >>> import torch
    >>> from longtail.losses import GALALoss
    >>> model = torch.nn.Linear(4, 3)
    >>> criterion = GALALoss(num_classes=3)
    >>> criterion(model(torch.randn(8, 4)), torch.randint(0, 3, (8,))).backward()

It adjusts the logits in training and is plain cross-entropy in `eval()`. Predictions always come from the raw logits.
"""

from longtail.losses.balanced_softmax import BalancedSoftmaxLoss, balanced_softmax_loss
from longtail.losses.gala import GALALoss, gala_loss

__all__ = ["BalancedSoftmaxLoss", "GALALoss", "balanced_softmax_loss", "gala_loss"]
