"""Features standardised by the training set, so that one learning rate works for every backbone.

At the end of training it is folded into the weights of the linear classifier, so that the network needs no extra layer.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from longtail.data import FeatureViews


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
    def of(cls, train: FeatureViews) -> Self:
        """The moments over all views of the training samples."""
        features = train.features.flatten(0, 1)
        scale = features.std(0, correction=0)
        least = 1e-6 * features.abs().amax(0).clamp(min=1e-6)
        return cls(features.mean(0), torch.where(scale > least, scale, 1.0))

    def apply(self, views: FeatureViews) -> FeatureViews:
        """The same samples with standardised features."""
        return FeatureViews((views.features - self.mean) / self.scale, views.target)

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
