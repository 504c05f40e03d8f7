"""The stage `second-stage`: the classifier of a finished run is retrained (Kang et al., ICLR 2020).

A second stage is a run like any other: it has a configuration, a folder and a result, is resumed and is compared. It
trains on features of the first stage's network; where statistics of batch norm keep learning (MiSLAS), the images pass
through the network in each step.
"""

import os
from typing import Any, cast

import torch
from torch import Tensor, nn

from longtail.models import AdaptiveCalibration, Network
from longtail.training.criterion import make_criterion
from longtail.training.epochs import Epochs
from longtail.training.feature_space import feature_space
from longtail.training.first_stage import first_stage_summary, network_of_first_stage
from longtail.training.meta_sampled_epochs import MetaSampledEpochs
from longtail.training.meta_sampler import MetaSampler
from longtail.training.outputs import features_of
from longtail.training.retrained_classifier import RetrainedClassifier
from longtail.training.schedule import rate_of_step
from longtail.training.second_stage_config import OwnSecondStageConfig, SecondStageConfig
from longtail.training.stages import STAGES, StageInput, StageKind
from longtail.training.starting_classifier import nearest_means, normalised_by_tau

LEAST_MARGIN = 1e-6
"""A calibration whose margins are all at most this has learnt nothing."""


class SecondStage:
    """The stage that retrains the classifier of a finished run.

    Args:
        given: the configuration, a `SecondStageConfig`, the splits and the run of the first stage.

    Raises:
        ValueError: no first stage, another one than that of the configuration, or a classifier that the method can't
            start from.

    Example:
        >>> import tempfile, numpy as np
        >>> from longtail.recipes import features, second_stage
        >>> from longtail.training import run_experiment, trained_network
        >>> folder, data = tempfile.mkdtemp(), (np.eye(90, 4, dtype=np.float32), np.repeat(["otter", "seal"], [60, 30]))
        >>> first = run_experiment(features(loss="ce", epochs=1, batch_size=16), data=data, out=folder + "/first")
        >>> config = second_stage(first, "ncm")  # a configuration of this stage
        >>> trained_network(run_experiment(config, data=data, out=folder + "/ncm", first_stage=first)).classifier
        NearestMeans()
    """

    def __init__(self, given: StageInput) -> None:
        if given.first_stage is None:
            raise ValueError("`first_stage` must be the run that the second stage starts from. Got none.")
        self.given, self.config = given, cast(SecondStageConfig, given.config)
        self.first, self.notes = given.first_stage, list[str]()
        network = network_of_first_stage(self.first, self.config, given.splits)
        _check_classifier(network.classifier, self.config, self.first.path)
        if self.config.learns == "calibration":  # its initial weights are for features before standardisation
            network.classifier = AdaptiveCalibration(cast(nn.Linear, network.classifier))
        network = network.to(given.device)
        if self.config.channels_last == "on":
            network = network.to(memory_format=torch.channels_last)
        self.space = feature_space(network, given, self.config)
        self.splits = self.space.splits
        self._begin_classifier()
        number = len(self.splits.info.class_names)
        rate = self.config.meta_learning_rate
        self.meta_sampler = None if rate is None else MetaSampler(self.splits.train.target, number, rate)
        self.model = RetrainedClassifier(
            self.space.network, number, self.config, on_features=self.space.frozen, sampler=self.meta_sampler
        )
        self.model = self.model.to(given.device)
        self.longest = self._longest_length()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The scales and the classifier, with its calibration if it has one."""
        return [
            {"params": [self.model.scales], "factor": 1.0},
            {"params": list(self.model.network.classifier.parameters()), "factor": self.config.classifier_rate},
        ]

    def batches(self, default: Epochs) -> Epochs:
        """Features if the whole network is frozen, else images."""
        if self.config.learns == "nothing":
            return default
        epochs = self.space.batches(default)
        return epochs if self.meta_sampler is None else self._meta_sampled(epochs, self.meta_sampler)

    def after_step(self) -> None:
        """Shorten classifier weights whose norm exceeds the limit (MaxNorm by projection, Alshammari et al.)."""
        if self.longest is not None:
            weight = self._weight
            with torch.no_grad():
                weight.mul_((self.longest / weight.norm(dim=1, keepdim=True)).clamp(max=1.0))

    def scored(self) -> Network:
        """The network with the scales folded into its classifier."""
        return self.model.folded()

    def finished(self) -> Network:
        """The same network, from the inputs of the first stage."""
        return self.space.from_inputs(self.scored())

    def provenance(self) -> dict[str, Any]:
        """The run of the first stage, notes, and the class probabilities that the Meta Sampler has learnt."""
        notes = [*self.notes, *_note_on_calibration(self.model.network.classifier)]
        entries: dict[str, Any] = {"first_stage": first_stage_summary(self.first), "notes": notes}
        if self.meta_sampler is not None:
            entries["draw_probabilities"] = self.meta_sampler.class_probabilities().tolist()
        return entries

    def _begin_classifier(self) -> None:
        """Give the network the initial classifier that the configuration names."""
        network, splits, begins = self.space.network, self.splits, self.config.classifier
        number = len(splits.info.class_names)
        if begins == "new":
            network.classifier = nn.Linear(self.space.num_features(), number)
        elif begins == "tau-normalised":
            held_out = self._features("validation") if splits.holds_out_every_class else None
            linear = cast(nn.Linear, network.classifier)
            network.classifier, note = normalised_by_tau(linear, splits, held_out)
            self.notes.append(note)
        elif begins == "nearest-mean":
            network.classifier = nearest_means(self._features("train"), splits.train.target, number)

    def _features(self, split: str) -> Tensor:
        return features_of(self.space.network, getattr(self.splits, split), self.given.autocast, self.given.ranks)

    def _meta_sampled(self, epochs: Epochs, meta_sampler: MetaSampler) -> Epochs:
        """The batches that a Meta Sampler draws."""
        config = self.config
        criterion, _ = make_criterion(config, self.splits.class_counts)

        def rate(epoch: int, step: int) -> float:
            base = config.learning_rate * config.classifier_rate
            plan = {"epochs": config.epochs, "warmup_epochs": config.warmup_epochs, "steps": epochs.steps}
            return rate_of_step(config.schedule, epoch, step, base=base, **plan)

        return MetaSampledEpochs(
            **vars(epochs),
            meta_sampler=meta_sampler,
            classifier=cast(nn.Linear, self.model.network.classifier),
            criterion=criterion.to(self.given.device),
            meta_batch_size=config.meta_batch_size,
            rate=rate,
        )

    def _longest_length(self) -> Tensor | None:
        """The largest allowed norm, between the smallest and largest of the first stage, as in the authors' code."""
        share = self.config.max_norm
        if share is None:
            return None
        lengths = self._weight.detach().norm(dim=1)
        longest: Tensor = lengths.min() + share * (lengths.max() - lengths.min())
        return longest

    @property
    def _weight(self) -> Tensor:
        return cast(nn.Linear, self.model.network.classifier).weight


def _check_classifier(classifier: nn.Module, config: SecondStageConfig, path: os.PathLike[str]) -> None:
    if config.classifier in ("kept", "tau-normalised") and not isinstance(classifier, nn.Linear):
        raise ValueError(
            f"`first_stage` must have a linear classifier for {config.second_stage or 'this'}. Got {path}, "
            f"which ends with a {type(classifier).__name__}."
        )


def _note_on_calibration(classifier: nn.Module) -> list[str]:
    """A note if the calibration has learnt nothing: without confidence in any sample its margins get no gradient."""
    if not isinstance(classifier, AdaptiveCalibration) or classifier.margin.abs().max() > LEAST_MARGIN:
        return []
    return [
        "the calibration has learnt nothing, so the scores are those of the first stage: the initial confidence in a "
        "sample is near 0 if its features have a large negative sum. Shift the features, or use another method"
    ]


STAGES["second-stage"] = StageKind(SecondStage, (SecondStageConfig, OwnSecondStageConfig))
