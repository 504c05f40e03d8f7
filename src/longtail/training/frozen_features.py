"""The stage that trains a classifier on the features of a frozen backbone: they are computed once, and kept in a cache.

Features are standardised by the training set, so that one learning rate works for every backbone; for a linear
classifier this is folded into its weights at the end, so that the network that is kept has no further layer.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from longtail.data import FeatureViews, Split, Splits
from longtail.models import Network, fold_batch_norm
from longtail.runs import current_versions
from longtail.training.epochs import Epochs
from longtail.training.feature_cache import cached
from longtail.training.network import make_network
from longtail.training.outputs import outputs_of
from longtail.training.own_config import OwnConfig
from longtail.training.seeds import generator_for
from longtail.training.stages import STAGES, StageInput


class FrozenFeatures:
    """A classifier on frozen features.

    Args:
        given: the configuration and the splits: of images, or of features, which then need no backbone.

    Raises:
        ValueError: a configuration of another kind, or a first stage.
        OSError: the cache can't be written.
    """

    def __init__(self, given: StageInput) -> None:
        if not isinstance(given.config, OwnConfig):
            raise ValueError(f'`stage` "features" needs an `OwnConfig`. Got a {type(given.config).__name__}.')
        if given.first_stage is not None:
            raise ValueError("`first_stage` must be left out for the features of a pretrained network.")
        self.given, self.config = given, given.config
        network = make_network(self.config, len(given.splits.info.class_names), given.splits.info)
        layout = torch.channels_last if self.config.channels_last == "on" else torch.contiguous_format
        self.network = network.to(given.device).to(memory_format=layout).eval().requires_grad_(False)
        classifier = self.network.classifier.requires_grad_(True)
        self.model = Network(nn.Identity(), classifier)  # a network computes logits in float32, whatever autocast says
        raw = self._features()
        self.moments = _moments(raw.train) if isinstance(classifier, nn.Linear) else None
        train, validation, test = map(self._standardised, (raw.train, raw.validation, raw.test))
        self.splits = Splits(train, validation, test, raw.info)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The classifier."""
        return [{"params": list(self.model.parameters())}]

    def batches(self, default: Epochs) -> Epochs:
        """The features of the training samples."""
        return dataclasses.replace(default, data=self.splits.train, augment=None)

    def after_step(self) -> None:
        """Nothing."""

    def scored(self) -> Network:
        """The classifier: its inputs are the features."""
        return self.model

    def finished(self) -> Network:
        """The backbone with the classifier on its features as they are."""
        classifier = self.network.classifier
        if self.moments is None or not isinstance(classifier, nn.Linear):
            return self.network
        return Network(self.network.backbone, _on_raw_features(classifier, *self.moments), self.network.input_config)

    def provenance(self) -> dict[str, Any]:
        """Whether the backbone was trained before, and what of a file of weights was loaded."""
        config, report = self.config, self.network.weight_report
        if _is_of_features(self.given.splits):
            return {"backbone": "none, the data are features"}
        if config.pretrained:
            return {"backbone": "pretrained"}
        weights = f"weights {config.weights}" if config.weights else "not trained"
        return {"backbone": weights, "notes": [] if report is None else [report.summary()]}

    def _features(self) -> Splits:
        splits = self.given.splits
        if _is_of_features(splits):
            return splits
        validation, test = (
            FeatureViews(self._kept(name, split)[None], split.target)
            for name, split in (("validation", splits.validation), ("test", splits.test))
        )
        return Splits(self._views(splits.train), validation, test, splits.info)

    def _views(self, train: Split) -> FeatureViews:
        views = [self._kept("train", train)]
        for view in range(1, self.config.views):
            generator = generator_for(self.given.device, self.config.seed, 0, view)
            augmented = train.augmented(self.given.augment, generator)
            of_files = [self.config.augment] if self.config.augment != "none" else []
            drawn = [*of_files, *self.config.augmentations, self.config.seed, view]
            views.append(self._kept(f"train, view {view}", augmented, drawn))
        return FeatureViews(torch.stack(views), train.target)

    def _kept(self, name: str, split: Split, drawn: list[Any] | None = None) -> Tensor:
        """From the cache, or computed and put there; only computed where the content of the split is not known."""
        content = getattr(split, "content", None)
        if content is None or not len(split):
            return self._computed(name, split)
        key = hashlib.sha256(json.dumps([content, drawn, self._extractor_hash]).encode()).hexdigest()[:32]
        return cached(key, len(split), lambda: self._computed(name, split)).to(self.given.device)

    def _computed(self, name: str, split: Split) -> Tensor:
        given, width = self.given, self.network.classifier.weight.shape[1]
        return outputs_of(self._extract, split, width, given.autocast(), given.progress, f"features of {name}")

    @cached_property
    def _extract(self) -> Callable[[Tensor], Tensor]:
        return fold_batch_norm(self.network).features

    @cached_property
    def _extractor_hash(self) -> str:
        """Of everything but the samples that features depend on: weights, settings, and what a trial gives."""
        config = self.config
        settings = [
            config.model,
            config.size,
            config.crop_pct,
            config.interpolation,
            config.mean,
            config.std,
            config.precision,
        ]
        known = {"settings": settings, "channels_last": config.channels_last, "versions": current_versions()}
        digest = hashlib.sha256(json.dumps(known).encode())
        for name, tensor in self.network.backbone.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        trial = torch.rand(2, *self.given.splits.info.input_shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode(), self.given.autocast():  # tells other code of a model of the same name
            digest.update(self.network.features(trial.to(self.given.device)).float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def _standardised(self, split: Split) -> FeatureViews:
        assert isinstance(split, FeatureViews)
        if self.moments is None:
            return split
        mean, scale = self.moments
        return FeatureViews((split.features - mean) / scale, split.target)


def _is_of_features(splits: Splits) -> bool:
    return isinstance(splits.train, FeatureViews)


def _moments(train: Split) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature; a constant one is left as it is."""
    assert isinstance(train, FeatureViews)
    features = train.features.flatten(0, 1)
    scale = features.std(0, correction=0)
    return features.mean(0), torch.where(scale > 1e-6 * features.abs().amax(0).clamp(min=1e-6), scale, 1.0)


def _on_raw_features(classifier: nn.Linear, mean: Tensor, scale: Tensor) -> nn.Linear:
    """The same logits from features that are not standardised."""
    folded = nn.Linear(classifier.in_features, classifier.out_features).to(classifier.weight.device)
    with torch.no_grad():
        weight = classifier.weight.double() / scale.double()
        folded.weight.copy_(weight)
        folded.bias.copy_(classifier.bias.double() - weight @ mean.double())
    return folded


STAGES["features"] = FrozenFeatures
