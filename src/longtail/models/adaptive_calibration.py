"""A linear classifier whose logits are calibrated for each sample: the second stage of DisAlign."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

INITIAL_WEIGHT = 0.1
"""Initial weights of the confidence layer, as in the authors' code."""


class AdaptiveCalibration(nn.Module):
    """ŝ_j = σ(x) (α_j z_j + β_j) + (1 − σ(x)) z_j, where z are the logits of a linear classifier.

    Each class has a magnitude α_j and a margin β_j; the confidence σ(x) is the sigmoid of a linear function of the
    features. Initially α is 1 and β is 0, so that the logits are those of the classifier.

    The formula is that of the paper and of the authors' code for segmentation. Their code for classification computes
    (1 + σ(x) α'_j) z_j + σ(x) β_j, the same function with α' = α − 1, but initially α' is 1, so that its logits are at
    first up to twice as large. Weight decay draws its α' to 0, where logits are unchanged; here it draws α to 0. The
    initial weights of the confidence are those of the code; on features behind a ReLU the initial confidence is near 1.

    Args:
        linear: the classifier, which is not copied. The calibration has its device and dtype.

    Raises:
        TypeError: another layer.

    Attributes:
        linear: the classifier.
        confidence: a linear layer from features to the logit of the confidence.
        magnitude: (C,) α.
        margin: (C,) β.

    Shape:
        features (N, D) to logits (N, C).

    Example:
        >>> linear, features = nn.Linear(4, 3), torch.randn(2, 4)
        >>> classifier = AdaptiveCalibration(linear)
        >>> torch.equal(classifier(features), linear(features))
        True
        >>> with torch.no_grad():
        ...     _ = classifier.margin.copy_(torch.tensor([0.0, 0.0, 2.0]))  # raises the logit of the third class
        >>> bool((classifier(features)[:, 2] > linear(features)[:, 2]).all())
        True

    Source: Zhang et al., "Distribution Alignment: A Unified Framework for Long-tail Visual Recognition", CVPR 2021.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        if not isinstance(linear, nn.Linear):
            raise TypeError(f"`linear` must be an nn.Linear. Got {type(linear).__name__}.")
        self.linear = linear
        like: dict[str, Any] = {"device": linear.weight.device, "dtype": linear.weight.dtype}
        self.confidence = nn.Linear(linear.in_features, 1, **like)
        nn.init.constant_(self.confidence.weight, INITIAL_WEIGHT)
        self.magnitude = nn.Parameter(torch.ones(linear.out_features, **like))
        self.margin = nn.Parameter(torch.zeros(linear.out_features, **like))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C)."""
        logits: Tensor = self.linear(features)
        confidence = self.confidence(features).sigmoid()
        calibrated: Tensor = logits + confidence * ((self.magnitude - 1) * logits + self.margin)
        return calibrated

    def with_layers(self, change: Callable[[nn.Linear], nn.Linear]) -> "AdaptiveCalibration":
        """A copy in which `change` has replaced the two layers that take the features."""
        changed = copy.deepcopy(self)
        changed.linear, changed.confidence = change(self.linear), change(self.confidence)
        return changed
