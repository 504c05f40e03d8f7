"""The features that a second stage trains on: computed for this run, or kept in the cache."""

import dataclasses
from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from longtail.data import FeatureViews, Splits
from longtail.models import AdaptiveCalibration, Network
from longtail.training.epochs import Epochs
from longtail.training.kept_features import KeptFeatures
from longtail.training.outputs import features_of
from longtail.training.second_stage_config import SecondStageConfig
from longtail.training.seeds import generator_for
from longtail.training.stages import StageInput
from longtail.training.standardisation import Standardisation


class FeatureSpace(Protocol):
    """The inputs on which a classifier is retrained.

    Attributes:
        network: ends with the classifier and takes the inputs of `splits`.
        splits: the samples that it is scored on.
        frozen: whether it is trained on features; else on inputs of the backbone.
    """

    network: Network
    splits: Splits
    frozen: bool

    def num_features(self) -> int:
        """D, the number of inputs of the classifier."""
        ...

    def batches(self, default: Epochs) -> Epochs:
        """The batches to train on; `default` has the training samples as they are."""
        ...

    def from_inputs(self, network: Network) -> Network:
        """The retrained `network`, made to take the inputs of the first stage."""
        ...


def feature_space(network: Network, given: StageInput, config: SecondStageConfig) -> FeatureSpace:
    """The space that the configuration asks for."""
    through_the_network = config.shift_batch_norm or config.features == "each-step"
    if config.features == "computed" or (through_the_network and not given.splits.of_features):
        return ComputedFeatures(network, given, config.views, frozen=not through_the_network)
    # Distances to class means can't be folded into weights on raw features.
    standardised = config.features == "standardised" and config.classifier != "nearest-mean"
    return CachedFeatures(network, given, config.views, standardised=standardised)


class ComputedFeatures:
    """Features of augmented copies, computed for this run, which is scored on images."""

    def __init__(self, network: Network, given: StageInput, views: int, *, frozen: bool) -> None:
        self.network, self.given, self.views, self.frozen = network, given, views, frozen
        self.splits = given.splits

    def num_features(self) -> int:
        """D, found by a forward pass on zeros."""
        trial = torch.zeros(1, *self.splits.info.input_shape, device=self.given.device)
        with torch.no_grad(), self.given.autocast():
            return self.network.eval().features(trial).shape[1]

    def batches(self, default: Epochs) -> Epochs:
        """The features of all views, or the images where they pass through the network in each step."""
        if not self.frozen:
            return default
        views, train = [], self.splits.train
        for view in range(self.views):
            generator = generator_for(self.given.device, self.given.config.seed, 0, view + 1)  # 0 is of the weights
            augmented = train.augmented(self.given.augment, generator)
            views.append(features_of(self.network, augmented, self.given.autocast, self.given.ranks))
        return dataclasses.replace(default, data=FeatureViews(torch.stack(views), train.target))

    def from_inputs(self, network: Network) -> Network:
        """The network itself."""
        return network


class CachedFeatures:
    """Features of all samples from the cache, standardised on request."""

    frozen = True

    def __init__(self, network: Network, given: StageInput, views: int, *, standardised: bool) -> None:
        self.whole = network.eval()
        features = KeptFeatures(self.whole, given, views).splits()
        self.standard = Standardisation.of(features.train) if standardised else None
        if self.standard is not None:
            features = features.changed(self.standard.apply)
        self.train, self.splits = features.train, features.with_info(given.splits.info)
        classifier = network.classifier
        if self.standard is not None:
            classifier = _with_layers(classifier, self.standard.on_standardised_features)
        self.network = Network(nn.Identity(), classifier)

    def num_features(self) -> int:
        """D, of the cached features."""
        return self.train.num_features

    def batches(self, default: Epochs) -> Epochs:
        """The features of the training samples."""
        return dataclasses.replace(default, data=self.train, augment=None)

    def from_inputs(self, network: Network) -> Network:
        """The backbone with the classifier for features that are not standardised."""
        classifier = network.classifier
        if self.standard is not None:
            classifier = _with_layers(classifier, self.standard.on_raw_features)
        return Network(self.whole.backbone, classifier, self.whole.input_config)


def _with_layers(classifier: nn.Module, change: Callable[[nn.Linear], nn.Linear]) -> nn.Module:
    """The classifier with its layers on the features changed; one without linear layers as it is."""
    if isinstance(classifier, AdaptiveCalibration):
        return classifier.with_layers(change)
    return change(classifier) if isinstance(classifier, nn.Linear) else classifier
