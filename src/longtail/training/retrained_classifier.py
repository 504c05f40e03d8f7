"""A frozen network whose classifier is retrained, or whose logits are rescaled or calibrated."""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from longtail.models import AdaptiveCalibration, Network
from longtail.training.classifier_precision import logits_precision
from longtail.training.second_stage_config import SecondStageConfig


class RetrainedClassifier(nn.Module):
    """The model that a second stage trains.

    Args:
        network: of the first stage, with the initial classifier; changed in place.
        num_classes: C.
        config: says which parameters are trained.
        on_features: whether its inputs in training are features; else inputs of the backbone.
        sampler: learns beside the classifier; a part of the model, so that checkpoints have its state.

    Shape:
        inputs of the network, or features (N, D), to logits (N, C).
    """

    def __init__(
        self,
        network: Network,
        num_classes: int,
        config: SecondStageConfig,
        *,
        on_features: bool = True,
        sampler: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.sampler = sampler
        self.on_features = on_features
        self.shifts = config.shift_batch_norm
        network.requires_grad_(False)
        self.learns_scales = config.learns in ("scales", "both")
        self.scales = nn.Parameter(torch.ones(num_classes), requires_grad=self.learns_scales)
        if config.learns in ("classifier", "both"):
            network.classifier.requires_grad_(True)
        elif config.learns == "calibration":
            calibrated = cast(AdaptiveCalibration, network.classifier)
            calibrated.requires_grad_(True)
            calibrated.linear.requires_grad_(False)

    def train(self, mode: bool = True) -> "RetrainedClassifier":
        """As usual, but batch norm keeps its statistics, unless they keep learning."""
        super().train(mode)
        self.network.train(mode and self.shifts and not self.on_features)
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N, C), in the precision of `logits_precision`."""
        features = inputs if self.training and self.on_features else self._features(inputs)
        classifier = self.network.classifier
        with logits_precision(classifier, features.device, training=self.training):
            logits: Tensor = classifier(features.float())
            return logits * self.scales if self.learns_scales else logits

    def folded(self) -> Network:
        """A copy of the network with the scales folded into its classifier."""
        network = copy.deepcopy(self.network)
        linear = network.classifier
        if isinstance(linear, nn.Linear):
            with torch.no_grad():
                linear.weight.mul_(self.scales[:, None])
                if linear.bias is not None:
                    linear.bias.mul_(self.scales)
        return network

    def _features(self, inputs: Tensor) -> Tensor:
        """Without gradients: they end at the classifier."""
        with torch.no_grad():
            return self.network.features(inputs)
