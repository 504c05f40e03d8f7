"""Features standardised by the training set, so that one learning rate works for every backbone.

At the end of training it is folded into the weights of the linear classifier, so that the network needs no extra layer.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from longtail.data import FeatureViews, StoredFeatures

Features = FeatureViews | StoredFeatures


@dataclass(frozen=True, eq=False)
class Standardisation:
    """The moments of the training features.

    Attributes:
        mean: (D,).
        scale: (D,) standard deviations; 1 for a constant feature, which is left as it is.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, train: Features) -> Self:
        """The moments over all views of the training samples, block by block in float64 (Chan et al., 1979)."""
        zeros = torch.zeros(train.num_features, dtype=torch.float64, device=train.target.device)
        number, mean, squares, largest = 0, zeros, zeros, zeros
        for block in train.blocks():
            own = block.double()
            step = own.mean(0) - mean
            whole = number + len(own)
            squares = squares + own.var(0, correction=0) * len(own) + step.square() * (number * len(own) / whole)
            mean = mean + step * (len(own) / whole)
            number, largest = whole, torch.maximum(largest, own.abs().amax(0))
        scale, least = (squares / number).sqrt(), 1e-6 * largest.clamp(min=1e-6)
        return cls(mean.float(), torch.where(scale > least, scale, 1.0).float())

    def apply(self, split: Features) -> Features:
        """The same samples with standardised features."""
        return split.standardised(self.mean, self.scale)

    def on_raw_features(self, classifier: nn.Linear) -> nn.Linear:
        """The classifier that gives the same logits from features that are not standardised."""
        weight = classifier.weight.double() / self.scale.double()
        return _linear(weight, _bias(classifier) - weight @ self.mean.double())

    def on_standardised_features(self, classifier: nn.Linear) -> nn.Linear:
        """The inverse of `on_raw_features`."""
        weight = classifier.weight.double()
        return _linear(weight * self.scale.double(), _bias(classifier) + weight @ self.mean.double())


def _bias(classifier: nn.Linear) -> Tensor:
    bias: Tensor | None = classifier.bias
    return torch.zeros_like(classifier.weight[:, 0], dtype=torch.float64) if bias is None else bias.double()


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    classifier = nn.Linear(weight.shape[1], len(weight)).to(weight.device)
    with torch.no_grad():
        classifier.weight.copy_(weight)
        classifier.bias.copy_(bias)
    return classifier
