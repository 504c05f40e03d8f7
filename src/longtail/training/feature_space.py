"""What the classifier of a second stage sees: features that are computed for this run, or those that are kept."""

import dataclasses
from typing import Protocol

import torch
from torch import nn

from longtail.data import FeatureViews, Splits
from longtail.models import Network
from longtail.training.epochs import Epochs
from longtail.training.kept_features import KeptFeatures
from longtail.training.outputs import features_of
from longtail.training.second_stage_config import SecondStageConfig
from longtail.training.seeds import generator_for
from longtail.training.stages import StageInput
from longtail.training.standardisation import Standardisation


class FeatureSpace(Protocol):
    """Where a classifier is retrained.

    Attributes:
        network: it ends with the classifier; its inputs are those of `splits`.
        splits: the samples that it is scored on.
        frozen: whether it is trained on features, and not on what its backbone takes.
    """

    network: Network
    splits: Splits
    frozen: bool

    def num_features(self) -> int:
        """D, what the classifier sees."""
        ...

    def batches(self, default: Epochs) -> Epochs:
        """What is trained on."""
        ...

    def from_inputs(self, network: Network) -> Network:
        """A retrained `network` as one that takes the inputs of the first stage."""
        ...


def feature_space(network: Network, given: StageInput, config: SecondStageConfig) -> FeatureSpace:
    """The space that the configuration asks for."""
    shifts = config.shift_batch_norm and not given.splits.of_features
    if config.features == "computed" or shifts:
        return ComputedFeatures(network, given, config.views, frozen=not config.shift_batch_norm)
    # Distances to class means can't be folded into weights on raw features.
    standardised = config.features == "standardised" and config.classifier != "nearest-mean"
    return CachedFeatures(network, given, config.views, standardised=standardised)


class ComputedFeatures:
    """Features of augmented copies are computed for this run; it is scored on images."""

    def __init__(self, network: Network, given: StageInput, views: int, *, frozen: bool) -> None:
        self.network, self.given, self.views, self.frozen = network, given, views, frozen
        self.splits = given.splits

    def num_features(self) -> int:
        """D, by a trial."""
        trial = torch.zeros(1, *self.splits.info.input_shape, device=self.given.device)
        with torch.no_grad(), self.given.autocast():
            return self.network.eval().features(trial).shape[1]

    def batches(self, default: Epochs) -> Epochs:
        """Features of the views; images where batch norm shifts."""
        if not self.frozen:
            return default
        views, train = [], self.splits.train
        for view in range(self.views):
            generator = generator_for(self.given.device, self.given.config.seed, 0, view + 1)  # 0 is of the weights
            augmented = train.augmented(self.given.augment, generator)
            views.append(features_of(self.network, augmented, self.given.autocast))
        return dataclasses.replace(default, data=FeatureViews(torch.stack(views), train.target))

    def from_inputs(self, network: Network) -> Network:
        """The network itself."""
        return network


class CachedFeatures:
    """Features of all samples are kept between runs, and standardised where asked for."""

    frozen = True

    def __init__(self, network: Network, given: StageInput, views: int, *, standardised: bool) -> None:
        self.whole = network.eval()
        raw = KeptFeatures(self.whole, given, views).splits()
        self.standard = Standardisation.of(raw.train) if standardised else None
        parts = (raw.train, raw.validation, raw.test)
        self.train, validation, test = parts if self.standard is None else map(self.standard.apply, parts)
        self.splits = Splits(self.train, validation, test, given.splits.info)
        classifier = network.classifier
        if self.standard is not None and isinstance(classifier, nn.Linear):
            classifier = self.standard.on_standardised_features(classifier)
        self.network = Network(nn.Identity(), classifier)

    def num_features(self) -> int:
        """D."""
        return self.train.features.shape[2]

    def batches(self, default: Epochs) -> Epochs:
        """The features of the training samples."""
        return dataclasses.replace(default, data=self.train, augment=None)

    def from_inputs(self, network: Network) -> Network:
        """The backbone with the classifier on its features as they are."""
        classifier = network.classifier
        if self.standard is not None and isinstance(classifier, nn.Linear):
            classifier = self.standard.on_raw_features(classifier)
        return Network(self.whole.backbone, classifier, self.whole.input_config)
