"""A multi-layer perceptron for features and very small images."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from longtail.arguments import check_integer, check_num_classes


class MLP(nn.Module):
    """Linear layers with ReLU between them, and dropout before the classifier.

    Args:
        in_features: D, numbers per sample, at least 1.
        num_classes: C, at least 2.
        hidden: widths of the hidden layers.
        dropout: in [0, 1).

    Shape:
        (N, D), or (N, d1, …) with d1 · … = D, to logits (N, C); `features` gives (N, last width).

    Example:
        >>> import torch
        >>> MLP(in_features=64, num_classes=10)(torch.zeros(2, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, in_features: int, num_classes: int, hidden: Sequence[int] = (128, 128), dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_integer("in_features", in_features, minimum=1)
        check_num_classes(num_classes)
        widths = [in_features, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Dropout(dropout))
        self.classifier = nn.Linear(widths[-1], num_classes)

    def features(self, inputs: Tensor) -> Tensor:
        """What the classifier sees."""
        features: Tensor = self.body(inputs)
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N, C)."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits
