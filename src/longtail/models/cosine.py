"""A normalised classifier: logits are scaled cosines, for losses whose margins are angles or cosines (LDAM, GCL)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longtail.arguments import check_integer, check_num_classes, check_size

MANY_CLASSES = 1000
"""From this many classes on, logits are divided by the norms of the weights, which saves a normalised copy of them."""
SMALLEST_NORM = 1e-12  # as in `F.normalize`


class CosineClassifier(nn.Module):
    """scale · cos(features, weights of the class).

    Args:
        in_features: D, at least 1.
        num_classes: C, at least 2.
        scale: s > 0; the loss that follows must know the same.

    Shape:
        features (N, D) to logits (N, C) in [−s, s]; a feature of length 0 gives zeros.

    Example:
        >>> classifier = CosineClassifier(in_features=4, num_classes=3, scale=30.0)
        >>> features = torch.randn(2, 4)
        >>> torch.allclose(classifier(features), classifier(5 * features), atol=1e-4)
        True

    Source: Gidaris and Komodakis, "Dynamic Few-Shot Visual Learning without Forgetting", CVPR 2018; in long-tailed
    learning since LDAM, whose code initialises the classifier weights as here: uniform directions, L2-normalised.
    """

    scale: Tensor

    def __init__(self, in_features: int, num_classes: int, scale: float = 30.0) -> None:
        super().__init__()
        check_integer("in_features", in_features, minimum=1)
        check_num_classes(num_classes)
        check_size("scale", scale)
        self.register_buffer("scale", torch.tensor(float(scale)))  # so that it is stored with the weights
        self.weight = nn.Parameter(torch.empty(num_classes, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        with torch.no_grad():
            self.weight.copy_(F.normalize(torch.empty_like(self.weight).uniform_(-1, 1), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C)."""
        directions = F.normalize(features, dim=-1)
        if len(self.weight) < MANY_CLASSES:
            return self.scale * F.linear(directions, F.normalize(self.weight, dim=-1))
        products = F.linear(self.scale * directions, self.weight)
        norms: Tensor = self.weight.norm(dim=-1)
        return (products / norms.clamp_min(SMALLEST_NORM)).to(products.dtype)

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"in_features={self.weight.shape[1]}, num_classes={self.weight.shape[0]}, scale={float(self.scale):g}"
