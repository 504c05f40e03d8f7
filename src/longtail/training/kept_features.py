"""The features of a frozen network for all samples of a run: computed once and kept in a cache."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from longtail.data import DataInfo, FeatureViews, Split, Splits, StoredFeatures
from longtail.models import Network, fold_batch_norm
from longtail.runs import current_versions
from longtail.training.feature_cache import cached
from longtail.training.outputs import outputs_of
from longtail.training.seeds import generator_for
from longtail.training.stages import StageInput
from longtail.training.standardisation import Features

OF_THE_INPUT = ("model", "size", "crop_pct", "interpolation", "mean", "std", "precision")
"""Settings that features depend on, besides the weights of the network."""


@dataclass(frozen=True, eq=False)
class FeatureSplits:
    """The splits of a run as features."""

    train: Features
    validation: Features
    test: Features

    def changed(self, change: Callable[[Features], Features]) -> "FeatureSplits":
        """The same splits with other features."""
        return FeatureSplits(change(self.train), change(self.validation), change(self.test))

    def with_info(self, info: DataInfo) -> Splits:
        """The splits that a run takes."""
        return Splits(self.train, self.validation, self.test, info)


class KeptFeatures:
    """Computes the features of a frozen network, or reads them from the cache.

    Args:
        network: on the device, in `eval()`; its classifier is not used.
        given: the splits: of images, or of features, which are taken as they are.
        views: number of copies of each training sample: the first as it is, the others augmented.

    Raises:
        OSError: the cache can't be written.
    """

    def __init__(self, network: Network, given: StageInput, views: int) -> None:
        self.network, self.given = network, given
        of_files = getattr(given.splits.train, "augmentation", None)
        self.augmentations = [*([] if of_files is None else [of_files]), *given.config.augmentations]
        self.views = views if self.augmentations else 1  # without augmentation all copies are the same

    def splits(self) -> FeatureSplits:
        """The features of all training, validation and test samples."""
        splits = self.given.splits
        if splits.of_features:
            return FeatureSplits(*map(_as_they_are, (splits.train, splits.validation, splits.test)))
        validation, test = (
            FeatureViews(self._kept(name, split)[None], split.target)
            for name, split in (("validation", splits.validation), ("test", splits.test))
        )
        return FeatureSplits(self._train(splits.train), validation, test)

    def _train(self, train: Split) -> FeatureViews:
        config = self.given.config
        views = [self._kept("train", train)]
        for view in range(1, self.views):
            generator = generator_for(self.given.device, config.seed, 0, view)
            augmented = train.augmented(self.given.augment, generator)
            views.append(self._kept(f"train, view {view}", augmented, [*self.augmentations, config.seed, view]))
        return FeatureViews(torch.stack(views), train.target)

    def _kept(self, name: str, split: Split, augmentation: list[Any] | None = None) -> Tensor:
        """(N, D) from the cache, or computed and added to it; not cached if the split does not hash its content."""
        content = getattr(split, "content", None)
        if content is None or not len(split):
            return self._computed(name, split)
        key = hashlib.sha256(json.dumps([content, augmentation, self._extractor_hash]).encode()).hexdigest()[:32]
        found = cached(key, (len(split), self._width), lambda: self._computed(name, split), self.given.ranks)
        return found.to(self.given.device)

    def _computed(self, name: str, split: Split) -> Tensor:
        given = self.given
        what = f"features of {name}"
        return outputs_of(self._extract, split, self._width, given.autocast(), given.progress, what, given.ranks)

    @cached_property
    def _extract(self) -> Callable[[Tensor], Tensor]:
        return fold_batch_norm(self.network).features

    @cached_property
    def _trial(self) -> Tensor:
        """Features of two random images: they give the width, and differ if the code of the model has changed."""
        noise = torch.rand(2, *self.given.splits.info.input_shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode(), self.given.autocast():
            return self.network.features(noise.to(self.given.device)).float().cpu()

    @property
    def _width(self) -> int:
        return self._trial.shape[1]

    @cached_property
    def _extractor_hash(self) -> str:
        """Hash of everything but the samples that features depend on: weights, settings and the trial."""
        config = self.given.config
        settings = [getattr(config, name, None) for name in OF_THE_INPUT]
        known = {"settings": settings, "channels_last": config.channels_last, "versions": current_versions()}
        digest = hashlib.sha256(json.dumps(known).encode())
        for name, tensor in self.network.backbone.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        digest.update(self._trial.numpy().tobytes())
        return digest.hexdigest()


def _as_they_are(split: Split) -> Features:
    if isinstance(split, (FeatureViews, StoredFeatures)):
        return split
    return FeatureViews(torch.cat([*split.in_order()])[None], split.target)
