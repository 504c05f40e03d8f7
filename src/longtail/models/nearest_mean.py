"""A classifier that is not trained: the nearest class mean, as a module that a network can end with."""

from torch import Tensor, nn
from torch.nn import functional as F


class NearestMeans(nn.Module):
    """Negative squared distances between centred, L2-normalised features and class means.

    Args:
        centre: (D,) mean of all training features.
        means: (C, D) class means of centred, L2-normalised features; `longtail.posthoc.NearestClassMean` finds both.

    Shape:
        features (N, D) to scores (N, C) in [−4, 0].

    Example:
        >>> import torch
        >>> classifier = NearestMeans(torch.zeros(2), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> classifier(torch.tensor([[3.0, 0.0]])).abs()
        tensor([[0., 2.]])

    Source: Kang et al., ICLR 2020, in the form "cl2n".
    """

    centre: Tensor
    weight: Tensor

    def __init__(self, centre: Tensor, means: Tensor) -> None:
        super().__init__()
        if means.dim() != 2 or centre.shape != means.shape[1:]:
            raise ValueError(
                f"`centre` and `means` must have the shapes (D,) and (C, D). Got {tuple(centre.shape)} and "
                f"{tuple(means.shape)}."
            )
        self.register_buffer("centre", centre.float())
        self.register_buffer("weight", means.float())

    def forward(self, features: Tensor) -> Tensor:
        """Scores (N, C), larger is nearer; a class without a mean (NaN) gets −4, the smallest possible score."""
        directions = F.normalize(features - self.centre, dim=-1)
        distance = directions.square().sum(-1, keepdim=True) - 2 * F.linear(directions, self.weight)
        return -(distance + self.weight.square().sum(-1)).nan_to_num(nan=4.0)
