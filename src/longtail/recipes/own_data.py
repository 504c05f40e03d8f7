"""Recipes for the user's own data."""

from typing import Any

from longtail.recipes.known_settings import with_fields_of
from longtail.training import OwnConfig


@with_fields_of(OwnConfig)
def features(loss: str = "gala", seed: int = 0, **settings: Any) -> OwnConfig:
    """A classifier on the features of a frozen pretrained network, which are computed once: trained in seconds.

    Args:
        loss: a name of `longtail.losses.catalogue`.
        seed: of the classifier and the order of the samples.
        **settings: any other field of `OwnConfig`.

    Example:
        >>> features().stage, features().epochs
        ('features', 40)
    """
    recipe: dict[str, Any] = {
        "stage": "features",
        "epochs": 40,
        "batch_size": 0,
        "learning_rate": 0.01,
        "warmup_epochs": 2,
        "augmentations": (),
        "evaluate_every": 0,
    }
    return OwnConfig(loss=loss, seed=seed, **(recipe | settings))


@with_fields_of(OwnConfig)
def finetune(loss: str = "gala", seed: int = 0, **settings: Any) -> OwnConfig:
    """A pretrained network, all of it trained further on images that are decoded and augmented ahead of each step.

    Args:
        loss: a name of `longtail.losses.catalogue`.
        seed: of the classifier, the order of the samples and their augmentation.
        **settings: any other field of `OwnConfig`.

    Example:
        >>> finetune().optimizer, finetune().augment, finetune().tune
        ('adamw', 'light', 'all')
    """
    recipe: dict[str, Any] = {
        "stage": "finetune",
        "epochs": 20,
        "batch_size": 64,
        "optimizer": "adamw",
        "learning_rate": 5e-4,
        "schedule": "cosine-per-step",
        "warmup_epochs": 1,
        "weight_decay": 0.05,
        "clip_norm": 1.0,
        "augmentations": (),
        "augment": "light",
        "evaluate_every": 5,
    }
    return OwnConfig(loss=loss, seed=seed, **(recipe | settings))


@with_fields_of(OwnConfig)
def scratch(loss: str = "gala", seed: int = 0, **settings: Any) -> OwnConfig:
    """A small network trained from its initial weights on images of 32 × 32 pixels: where nothing pretrained suits.

    Args:
        loss: a name of `longtail.losses.catalogue`.
        seed: of weights, order and augmentation.
        **settings: any other field of `OwnConfig`.

    Example:
        >>> scratch().model
        'resnet20-cifar'
    """
    recipe: dict[str, Any] = {
        "stage": "scratch",
        "model": "resnet20-cifar",
        "size": 32,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "epochs": 60,
        "batch_size": 64,
        "augmentations": ("crop", "flip"),
    }
    return OwnConfig(loss=loss, seed=seed, **(recipe | settings))
