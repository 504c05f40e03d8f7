"""A run on the user's own data."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from longtail.arguments import check_integer
from longtail.data import OwnDataConfig
from longtail.data.own_config import INTERPOLATIONS
from longtail.models import DEFAULT_BACKBONE, make_backbone
from longtail.training.config import TrainingConfig
from longtail.training.mixing import check_for_features


@dataclass(frozen=True, kw_only=True)
class OwnConfig(OwnDataConfig, TrainingConfig):
    """A run on the user's own data; `longtail.recipes` has `features`, `finetune` and `scratch`.

    Raises:
        ValueError, TypeError: a setting out of its range.

    Example:
        >>> OwnConfig(stage="features").model
        'tf_efficientnet_lite0'
    """

    model: str = DEFAULT_BACKBONE
    """The network without its classifier: a model of timm, resnet8-cifar to resnet56-cifar, or
    package.module:function."""
    views: int = 1
    """Copies of each training image whose features are kept: the first as it is, the others augmented."""

    batch_size: int = 64
    """Samples per step, over all processes; the last partial batch of an epoch is dropped, unless it is the only
    one. 0: 128, or fewer (at least 8) where an epoch would have fewer than 50 steps."""

    ONE_BATCH_WILL_DO: ClassVar[bool] = True
    BATCH_SIZE_MAY_BE_OPEN: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("views", self.views, minimum=1)
        if self.augmentations and (self.augment != "none" or self.workers):
            raise ValueError(
                "`augmentations` must be left out with `augment` and `workers`, by which files are augmented. "
                f"Got {' '.join(self.augmentations)}. Pass --augmentations with nothing behind it."
            )
        if self.views > 1 and not self.augmentations and self.augment == "none":
            raise ValueError(
                f"`views` must be 1 without `augmentations` or `augment`, by which they differ. Got {self.views}."
            )
        if self.stage == "features":
            check_for_features(self.mixing)

    def _check_contrast(self) -> None:
        if self.stage == "features":
            raise ValueError(
                "`contrastive` must be 0 for features, which are not augmented. "
                f"Got {self.contrastive}. Train on the images: recipe finetune or scratch."
            )
        super()._check_contrast()

    def completed(self) -> Self:
        """The configuration with size, normalisation, crop and interpolation of the network where they are left open.

        Raises:
            ValueError: neither the configuration nor the network says what the images should be.
        """
        usual = self.stage in ("features", "finetune") and self.weights is None
        pretrained = usual if self.pretrained is None else self.pretrained
        return dataclasses.replace(self, pretrained=pretrained, **self._of_the_network())

    def _of_the_network(self) -> dict[str, Any]:
        if self.size and self.mean and self.std and self.crop_pct and self.interpolation:
            return {}
        found = make_backbone(self.model, size=self.size).input_config
        asked: dict[str, Any] = {
            "size": self.size or (found.size[0] if found.size else None),
            "mean": self.mean or found.mean,
            "std": self.std or found.std,
        }
        for name, value in asked.items():
            if not value:
                raise ValueError(f"`{name}` must be given for {self.model}, which prefers none: pass --{name}.")
        known = found.interpolation if found.interpolation in INTERPOLATIONS else None
        return {
            **asked,
            "crop_pct": self.crop_pct or found.crop_pct,
            "interpolation": self.interpolation or known,
        }
