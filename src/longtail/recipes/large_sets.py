"""ImageNet-LT, Places-LT and iNaturalist 2018: one stage with GALA, and the first stage of the two-stage way.

The GALA paper (Zhang et al., ICASSP 2024) retrains the classifier of a network that MiSLAS (Zhong et al., CVPR 2021)
trains with mixup; these are the settings of that first stage: SGD (momentum 0.9), batches of 256, learning rate 0.1
with a cosine and no warm-up, crops of 224 pixels. `loss="ce", mixing="mixup"` is that stage itself, from which the
second stage `decoupled-gala` starts; with the default loss the same settings train one stage with GALA, for which no
paper has settings of its own.
"""

from typing import Any

from longtail.recipes.known_settings import with_fields_of
from longtail.training import OwnConfig

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
INATURALIST = {"mean": (0.466, 0.471, 0.380), "std": (0.195, 0.194, 0.192)}


@with_fields_of(OwnConfig)
def imagenet_lt(loss: str = "gala", seed: int = 0, **settings: Any) -> OwnConfig:
    """ImageNet-LT, 115,846 training images in 1,000 classes: ResNet-50, 180 epochs.

    Args:
        loss: a name of `longtail.losses.catalogue`.
        seed: of weights, order and augmentation.
        **settings: any other field of `OwnConfig`; `model="resnext50_32x4d"` is the other network of the field.

    Example:
        >>> imagenet_lt(loss="ce", mixing="mixup").mixing_alpha
        0.2
    """
    recipe = {"dataset": "imagenet-lt", "model": "resnet50", "epochs": 180, **IMAGENET}
    return _large(loss, seed, recipe | settings)


@with_fields_of(OwnConfig)
def places_lt(loss: str = "gala", seed: int = 0, **settings: Any) -> OwnConfig:
    """Places-LT, 62,500 training images in 365 classes: ResNet-152 pretrained on ImageNet, 90 epochs.

    Only the last block and the classifier are trained. MiSLAS trains a new block behind a pretrained network instead.

    Args:
        loss: a name of `longtail.losses.catalogue`.
        seed: of the classifier, order and augmentation.
        **settings: any other field of `OwnConfig`.

    Example:
        >>> places_lt().model, places_lt().tune
        ('resnet152', 'last:1')
    """
    recipe = {
        "dataset": "places-lt",
        "stage": "finetune",
        "model": "resnet152",
        "tune": "last:1",
        "epochs": 90,
        **IMAGENET,
    }
    return _large(loss, seed, recipe | settings)


@with_fields_of(OwnConfig)
def inaturalist18(loss: str = "gala", seed: int = 0, **settings: Any) -> OwnConfig:
    """Species of iNaturalist 2018, 437,513 training images in 8,142 classes: ResNet-50, 200 epochs.

    Its validation images are the test set, as everywhere in the field; none are held out of training.

    Args:
        loss: a name of `longtail.losses.catalogue`.
        seed: of weights, order and augmentation.
        **settings: any other field of `OwnConfig`.

    Example:
        >>> inaturalist18().weight_decay
        0.0001
    """
    recipe = {"dataset": "inaturalist18", "model": "resnet50", "epochs": 200, "weight_decay": 1e-4, **INATURALIST}
    return _large(loss, seed, recipe | settings)


def _large(loss: str, seed: int, settings: dict[str, Any]) -> OwnConfig:
    recipe: dict[str, Any] = {
        "stage": "scratch",
        "batch_size": 256,
        "learning_rate": 0.1,
        "warmup_epochs": 0,
        "weight_decay": 5e-4,
        "mixing_alpha": 0.2,
        "augmentations": (),
        "augment": "imagenet",
        "size": 224,
        "crop_pct": 0.875,
        "interpolation": "bilinear",
        "validation": 0.0,
        "test_share": 0.0,
    }
    return OwnConfig(loss=loss, seed=seed, **(recipe | settings))
