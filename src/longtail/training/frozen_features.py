"""The stage `features`: a classifier is trained on the features of a frozen backbone."""

import dataclasses
from typing import Any, cast

import torch
from torch import Tensor, nn

from longtail.models import Network
from longtail.models.network import like_of
from longtail.training.classifier_precision import logits_precision
from longtail.training.epochs import Epochs
from longtail.training.kept_features import KeptFeatures
from longtail.training.network import make_network
from longtail.training.own_config import OwnConfig
from longtail.training.stages import STAGES, StageInput, StageKind
from longtail.training.standardisation import Standardisation


class ClassifierOfFeatures(Network):
    """A classifier whose inputs are features (N, D)."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__(nn.Identity(), classifier)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N, C), in the precision of `logits_precision`."""
        with logits_precision(self.classifier, inputs.device, training=self.training):
            logits: Tensor = self.classifier(inputs.to(like_of(self.classifier).dtype))
            return logits


class FrozenFeatures:
    """The stage that trains a classifier on frozen features, standardised if it is linear (stage "features").

    Args:
        given: the configuration, an `OwnConfig`, and the splits: of images, or of features, which need no backbone.

    Raises:
        ValueError: a first stage.
        OSError: the cache can't be written.

    Example:
        >>> from contextlib import nullcontext
        >>> from longtail.data import load_splits
        >>> from longtail.recipes import features
        >>> X = torch.arange(120.0).reshape(30, 4).numpy()
        >>> cpu, config = torch.device("cpu"), features()
        >>> splits = load_splits(config, (X, ["otter"] * 20 + ["seal"] * 10), cpu)
        >>> stage = FrozenFeatures(StageInput(config, splits, None, cpu, nullcontext))
        >>> stage.splits.train.features.mean().abs().item() < 1e-5  # standardised
        True
    """

    def __init__(self, given: StageInput) -> None:
        if given.first_stage is not None:
            raise ValueError("`first_stage` must be left out for the features of a pretrained network.")
        self.given, self.config = given, cast(OwnConfig, given.config)
        network = make_network(self.config, len(given.splits.info.class_names), given.splits.info)
        layout = torch.channels_last if self.config.channels_last == "on" else torch.contiguous_format
        self.network = network.to(given.device).to(memory_format=layout).eval().requires_grad_(False)
        classifier = self.network.classifier.requires_grad_(True)
        self.model = ClassifierOfFeatures(classifier)
        features = KeptFeatures(self.network, given, self.config.views).splits()
        self.standard = Standardisation.of(features.train) if isinstance(classifier, nn.Linear) else None
        if self.standard is not None:
            features = features.changed(self.standard.apply)
        self.splits = features.with_info(given.splits.info)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The classifier."""
        return [{"params": list(self.model.parameters())}]

    def batches(self, default: Epochs) -> Epochs:
        """The features of the training samples."""
        return dataclasses.replace(default, data=self.splits.train, augment=None)

    def after_step(self) -> None:
        """Do nothing."""

    def scored(self) -> Network:
        """The classifier, which takes features."""
        return self.model

    def finished(self) -> Network:
        """The backbone with the classifier for features that are not standardised."""
        classifier = self.network.classifier
        if self.standard is None or not isinstance(classifier, nn.Linear):
            return self.network
        return Network(self.network.backbone, self.standard.on_raw_features(classifier), self.network.input_config)

    def provenance(self) -> dict[str, Any]:
        """Where the weights of the backbone come from."""
        config, report = self.config, self.network.weight_report
        if self.given.splits.of_features:
            return {"backbone": "none, the data are features"}
        if config.pretrained:
            return {"backbone": "pretrained"}
        weights = f"weights {config.weights}" if config.weights else "not trained"
        return {"backbone": weights, "notes": [] if report is None else [report.summary()]}


STAGES["features"] = StageKind(FrozenFeatures, (OwnConfig,))
