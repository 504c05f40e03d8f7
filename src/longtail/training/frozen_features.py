"""The stage that trains a classifier on the features of a frozen backbone: they are computed once, and kept in a cache.

Features are standardised by the training set, which makes one learning rate do for every backbone; for a linear
classifier this is folded into its weights at the end, so that the network that is kept has no further layer.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from longtail.data import FeatureViews, Split, Splits
from longtail.models import Network, fold_batch_norm
from longtail.training.epochs import Epochs
from longtail.training.network import make_network
from longtail.training.own_config import OwnConfig
from longtail.training.seeds import generator_for
from longtail.training.stages import STAGES, StageInput
from longtail.whole_file import write_whole


class FrozenFeatures:
    """A classifier on frozen features.

    Args:
        given: the configuration and the splits: of images, or of features, which then need no backbone.
    """

    def __init__(self, given: StageInput) -> None:
        assert isinstance(given.config, OwnConfig)
        if given.first_stage is not None:
            raise ValueError("`first_stage` must be left out for the features of a pretrained network.")
        self.given, self.config = given, given.config
        network = make_network(self.config, len(given.splits.info.class_names), given.splits.info)
        self.network = network.to(given.device).eval().requires_grad_(False)
        self.model: nn.Module = self.network.classifier.requires_grad_(True)
        raw = self._features()
        self.moments = _moments(raw.train) if isinstance(self.model, nn.Linear) else None
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

    def scored(self) -> nn.Module:
        """The classifier: its inputs are the features."""
        return self.model

    def finished(self) -> Network:
        """The backbone with the classifier on its features as they are."""
        classifier = self.network.classifier
        if self.moments is not None and isinstance(classifier, nn.Linear):
            mean, scale = self.moments
            folded = nn.Linear(classifier.in_features, classifier.out_features).to(self.given.device)
            with torch.no_grad():
                folded.weight.copy_(classifier.weight / scale)
                folded.bias.copy_(classifier.bias - folded.weight @ mean)
            return Network(self.network.backbone, folded, self.network.input_config)
        return self.network

    def provenance(self) -> dict[str, Any]:
        """Whether the backbone was trained before, which every table must say."""
        config = self.config
        trained = (
            "pretrained" if config.pretrained else f"weights {config.weights}" if config.weights else "not trained"
        )
        return {"backbone": trained}

    def _features(self) -> Splits:
        splits = self.given.splits
        if isinstance(splits.train, FeatureViews):
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
            views.append(self._kept(f"train, view {view}", train.augmented(self.given.augment, generator)))
        return FeatureViews(torch.stack(views), train.target)

    def _kept(self, name: str, split: Split) -> Tensor:
        """From the cache, or computed and put there."""
        path = cache_folder() / f"{self._key(name)}.npy"
        if path.is_file():
            return torch.from_numpy(np.load(path)).to(self.given.device)
        features = self._computed(name, split)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_whole(path) as file:
                np.save(file, features.cpu().numpy())
        except OSError as error:
            raise OSError(
                f"The features could not be kept in {path.parent}: {error.strerror}. Make room there, or name another "
                "folder in the environment variable LONGTAIL_CACHE."
            ) from error
        return features

    def _computed(self, name: str, split: Split) -> Tensor:
        parts, done = [torch.zeros(0, self.network.classifier.weight.shape[1], device=self.given.device)], 0
        network = fold_batch_norm(self.network)
        with torch.inference_mode(), self.given.autocast():
            for inputs in split.in_order():
                parts.append(network.features(inputs).float())
                done += len(inputs)
                if self.given.progress is not None:
                    self.given.progress(f"features of {name}", done / len(split))
        return torch.cat(parts).clone()

    def _key(self, name: str) -> str:
        """Of everything that the features depend on."""
        config, info = self.config, self.given.splits.info
        weights = b"".join(tensor.cpu().numpy().tobytes() for tensor in self.network.backbone.state_dict().values())
        settings = {
            "samples": name,
            "data": info.fingerprint,
            "input": [config.size, config.crop_pct, config.mean, config.std, config.precision, config.channels_last],
            "model": config.model,
            "augmented": [config.augmentations, config.seed] if "view" in name else [],
        }
        return hashlib.sha256(json.dumps(settings).encode() + weights).hexdigest()[:32]

    def _standardised(self, split: Split) -> FeatureViews:
        assert isinstance(split, FeatureViews)
        if self.moments is None:
            return split
        mean, scale = self.moments
        return FeatureViews((split.features - mean) / scale, split.target)


def _moments(train: Split) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature; a constant one is left as it is."""
    assert isinstance(train, FeatureViews)
    features = train.features.flatten(0, 1)
    scale = features.std(0, correction=0)
    return features.mean(0), torch.where(scale > 1e-6 * features.abs().amax(0).clamp(min=1e-6), scale, 1.0)


def cache_folder() -> Path:
    """Where features are kept between runs."""
    base = (
        os.environ.get("LONGTAIL_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longtail"
    )
    return Path(base) / "features"


STAGES["features"] = FrozenFeatures
