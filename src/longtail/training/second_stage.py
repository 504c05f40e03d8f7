"""Second stages: a trained network keeps its features, its classifier is retrained (Kang et al., ICLR 2020).

A second stage is a run like any other: it has a configuration, a folder and a result, is resumed and is compared. What
it trains on are the features of the first stage's network, taken once of a few augmented copies of the training images;
where statistics of batch norm go on learning (MiSLAS), the images pass through the network in each step.
"""

import copy
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from longtail.arguments import check_fraction, check_integer, check_positive
from longtail.data import FeatureViews, OwnDataConfig, Split, Splits
from longtail.losses.catalogue import LOSSES
from longtail.models import NearestMeans, Network
from longtail.posthoc import NearestClassMean, TauNormalization, tau_normalized
from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.network import trained_network
from longtail.training.own_config import OwnConfig
from longtail.training.seeds import generator_for
from longtail.training.stages import STAGES, Autocast, StageInput

OF_THE_FIRST = (
    *("dataset", "imbalance", "profile", "subset_seed", "validation", "validation_per_class", "shrink"),
    *("model", "mean", "std"),
)
OF_OWN_DATA = ("test_share", "size", "crop_pct")


@dataclass(frozen=True, kw_only=True)
class SecondStageConfig(TrainingConfig):
    """A second stage; data, network and machine are those of the first. `longtail.recipes` has the field's settings.

    Raises:
        ValueError, TypeError: a setting outside what its line says.

    Example:
        >>> SecondStageConfig(epochs=10, classifier="new", learns="classifier").views
        4
    """

    stage: str = "second-stage"
    """How the network is trained."""
    second_stage: str = ""
    """What the method is called."""
    classifier: Literal["new", "kept", "tau-normalised", "nearest-mean"] = "kept"
    """What it begins with: a new classifier, that of the first stage, or one that follows from it or its features."""
    learns: Literal["classifier", "scales", "both", "nothing"] = "nothing"
    """What is trained: the classifier, one scale a class, or both."""
    classifier_rate: float = 1.0
    """Learning rate of the classifier over that of the scales."""
    max_norm: float | None = None
    """Greatest length of a class vector, between the shortest (0) and the longest (1) that it begins with."""
    shift_batch_norm: bool = False
    """Whether the running statistics of batch norm go on learning."""
    views: int = 4
    """Augmented copies of each training image whose features are kept."""
    first_stage: str = ""
    """Checksum of the first stage's weights."""
    epochs: int = 10
    """Passes over the training set; 0 where nothing is trained."""

    LEAST_EPOCHS = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("classifier_rate", self.classifier_rate)
        check_integer("views", self.views, minimum=1)
        if self.max_norm is not None:
            check_fraction("max_norm", self.max_norm)
        if (self.epochs == 0) != (self.learns == "nothing"):
            raise ValueError(f"`epochs` must be 0 where nothing is trained, and only there. Got {self.epochs}.")
        if self.mixing != "none":
            raise ValueError(f'`mixing` must be "none" in a second stage. Got {self.mixing!r}.')
        if self.classifier == "nearest-mean" and self.learns != "nothing":
            raise ValueError(f'`learns` must be "nothing" for class means, which are not trained. Got {self.learns!r}.')
        if LOSSES[self.loss].head == "cosine":
            raise ValueError(f"`loss` must not need a cosine head in a second stage. Got {self.loss!r}.")


@dataclass(frozen=True, kw_only=True)
class OwnSecondStageConfig(OwnDataConfig, SecondStageConfig):
    """A second stage on the user's own data."""


def stored_config(folder: RunFolder) -> TrainingConfig:
    """The configuration of a run, of the first or a second stage.

    Raises:
        ValueError: it is no training run, or of a version that has other settings.
    """
    try:
        return config_from_json(folder.header["config"])
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(
            f"`folder` must be a training run that this version knows. Got {folder.path}, whose run.json says: {error}"
        ) from None


def config_from_json(stored: Mapping[str, Any]) -> TrainingConfig:
    """The configuration that JSON holds, of the class that its settings belong to.

    Raises:
        ValueError: settings that this version does not know.
    """
    own = "on_bad_file" in stored
    if "second_stage" in stored:
        return (OwnSecondStageConfig if own else SecondStageConfig).from_json(stored)
    return (OwnConfig if own else TrainingConfig).from_json(stored)


def checksum(first: RunFolder) -> str:
    """Of the weights of a run, as `SecondStageConfig.first_stage` has it."""
    return hashlib.sha256((first.path / "weights.pt").read_bytes()).hexdigest()[:16]


class RetrainedClassifier(nn.Module):
    """A frozen network whose classifier is retrained, or whose logits are rescaled.

    Args:
        network: of the first stage; changed in place.
        config: what is to learn.

    Shape:
        images (N, C, H, W), or their features (N, D), to logits (N, C).
    """

    def __init__(self, network: Network, config: SecondStageConfig) -> None:
        super().__init__()
        self.network = network
        self.shift_batch_norm = config.shift_batch_norm
        network.requires_grad_(False)
        number = network.classifier.weight.shape[0]
        self.scales = nn.Parameter(torch.ones(number), requires_grad=config.learns in ("scales", "both"))
        if config.classifier == "new":
            network.classifier = nn.Linear(network.classifier.weight.shape[1], number)
        if config.learns in ("classifier", "both"):
            network.classifier.requires_grad_(True)

    def train(self, mode: bool = True) -> "RetrainedClassifier":
        """Batch norm stays as it is, unless its statistics are to shift."""
        super().train(mode)
        self.network.train(mode and self.shift_batch_norm)
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N, C), by a classifier in float32 whatever autocast says."""
        features = inputs if inputs.dim() == 2 else self.features(inputs)
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.network.classifier(features.float())
            return logits * self.scales

    def features(self, images: Tensor) -> Tensor:
        """Without gradients: they end at the classifier."""
        with torch.no_grad():
            return self.network.features(images)


class SecondStage:
    """The stage that retrains the classifier of a finished run.

    Args:
        given: the configuration, the splits and the run of the first stage.

    Raises:
        ValueError: no first stage or another one than that of the configuration, or a classifier that does not suit it.
    """

    def __init__(self, given: StageInput) -> None:
        if not isinstance(given.config, SecondStageConfig):
            raise ValueError(
                f'`stage` "second-stage" needs a `SecondStageConfig`. Got a {type(given.config).__name__}.'
            )
        if given.first_stage is None:
            raise ValueError("`first_stage` must be the run that the second stage starts from. Got none.")
        if given.processes > 1:
            raise ValueError(f"`processes` must be 1 in a second stage. Got {given.processes}.")
        self.splits = given.splits
        self.given, self.config, self.first, self.notes = given, given.config, given.first_stage, list[str]()
        self.model = RetrainedClassifier(self._network_as_it_begins(), self.config).to(given.device)
        self.longest = self._longest_length()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The scales and the classifier."""
        return [
            {"params": [self.model.scales], "factor": 1.0},
            {"params": list(self.model.network.classifier.parameters()), "factor": self.config.classifier_rate},
        ]

    def batches(self, default: Epochs) -> Epochs:
        """Kept features where the network is frozen wholly, else images."""
        config, train = self.config, self.given.splits.train
        if config.shift_batch_norm or config.learns == "nothing":
            return default
        views = []
        for view in range(config.views):
            generator = generator_for(train.target.device, config.seed, 0, view + 1)  # 0 would be that of the weights
            augmented = train.augmented(self.given.augment, generator)
            views.append(features_of(self.model.network, augmented, self.given.autocast))
        return dataclasses.replace(default, data=FeatureViews(torch.stack(views), train.target))

    def after_step(self) -> None:
        """MaxNorm by projection: class vectors that are longer than allowed are cut (Alshammari et al.)."""
        if self.longest is not None:
            weight = self.model.network.classifier.weight
            with torch.no_grad():
                weight.mul_((self.longest / weight.norm(dim=1, keepdim=True)).clamp(max=1.0))

    def scored(self) -> Network:
        """The network that is kept."""
        return self.finished()

    def finished(self) -> Network:
        """The network with the scales folded into its classifier."""
        network = copy.deepcopy(self.model.network)
        with torch.no_grad():
            if isinstance(network.classifier, nn.Linear):
                network.classifier.weight.mul_(self.model.scales[:, None])
                network.classifier.bias.mul_(self.model.scales)
        return network

    def provenance(self) -> dict[str, Any]:
        """The run of the first stage."""
        told = {
            "folder": self.first.path.name,
            "config": self.first.header["config"],
            "training_minutes": (self.first.result or {}).get("training_minutes"),
        }
        return {"first_stage": told, "notes": self.notes}

    def _network_as_it_begins(self) -> Network:
        config, first, splits = self.config, self.first, self.given.splits
        if checksum(first) != config.first_stage:
            raise ValueError(
                f"`first_stage` must be the run that this second stage began from, of checksum {config.first_stage}. "
                f"Got {first.path}, of {checksum(first)}."
            )
        _check_same_data(config, splits, first)
        network = trained_network(first).to(self.given.device)
        if not isinstance(network.classifier, nn.Linear) and config.classifier in ("kept", "tau-normalised"):
            raise ValueError(
                f"`first_stage` must have a linear classifier for {config.second_stage or 'this'}. Got {first.path}, "
                f"which ends with a {type(network.classifier).__name__}."
            )
        if config.channels_last == "on":
            network = network.to(memory_format=torch.channels_last)
        if config.classifier == "tau-normalised":
            self.notes.append(_normalise_lengths(network, splits, self.given.autocast))
        if config.classifier == "nearest-mean":
            features, target = features_of(network, splits.train, self.given.autocast), splits.train.target
            fitted = NearestClassMean().fit(features, target, len(splits.info.class_names))
            network.classifier = NearestMeans(torch.from_numpy(fitted.centre_), torch.from_numpy(fitted.means_))
        return network

    def _longest_length(self) -> Tensor | None:
        """Of a class vector: between the shortest and the longest of the first stage, as in the authors' code."""
        share = self.config.max_norm
        if share is None:
            return None
        lengths = self.model.network.classifier.weight.detach().norm(dim=1)
        longest: Tensor = lengths.min() + share * (lengths.max() - lengths.min())
        return longest


def _check_same_data(config: SecondStageConfig, splits: Splits, folder: RunFolder) -> None:
    first = stored_config(folder)
    for name in OF_THE_FIRST + (OF_OWN_DATA if isinstance(first, OwnDataConfig) else ()):
        if getattr(config, name) != getattr(first, name):
            raise ValueError(
                f"`{name}` must be as in the first stage, {getattr(first, name)!r}. Got {getattr(config, name)!r}."
            )
    if folder.data is not None and folder.data.get("fingerprint") != splits.info.fingerprint:
        raise ValueError(f"`data` must be those of the first stage, {folder.path}. Its samples or labels differ.")


def _normalise_lengths(network: Network, splits: Splits, autocast: Autocast) -> str:
    """Choose τ on held-out images where every class has one, else take 1; says which.

    Training images can't choose: where the network has fitted them, every τ is as good as any other.
    """
    linear = network.classifier
    assert isinstance(linear, nn.Linear)
    if splits.holds_out_every_class:
        features = features_of(network, splits.validation, autocast)
        fitted = TauNormalization().fit(linear, features, splits.validation.target)
        tau, why = fitted.tau_, "chosen on the held-out validation images, whose score is no estimate then"
    else:
        tau, why = 1.0, "as no held-out images of every class are there to choose it on"
    normalised = tau_normalized(linear, tau)
    with torch.no_grad():
        linear.weight.copy_(normalised.weight)
        linear.bias.zero_()
    return f"τ = {tau:g}, {why}"


def features_of(network: Network, data: Split, autocast: Autocast) -> Tensor:
    """(N, D) float32 on the device, of all samples as they are; the network is left in `eval()`."""
    network.eval()
    with torch.no_grad(), autocast():
        return torch.cat([network.features(inputs).float() for inputs in data.in_order()])


STAGES["second-stage"] = SecondStage
