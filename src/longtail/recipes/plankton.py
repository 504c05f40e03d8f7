"""Plankton, naturally long-tailed: 121 classes of 1,385 to 6 training images, 21,233 in all.

A recipe of this project, small enough for tables of many methods on a processor: images shrunk to 24 × 24 pixels and a
ResNet-8. No paper reports on it. The test set has the long tail too, so that accuracy and balanced accuracy differ, and
nothing is fitted transductively.
"""

from typing import Any

from longtail.recipes.known_settings import with_fields_of
from longtail.training.config import TrainingConfig


@with_fields_of(TrainingConfig)
def plankton(loss: str = "gala", seed: int = 0, **settings: Any) -> TrainingConfig:
    """The plankton of `longtail.data.load_plankton`, with its own held-out set.

    Args:
        loss: a name of `longtail.losses.catalogue`.
        seed: of weights, order and augmentation.
        **settings: any other field of `TrainingConfig`.

    Example:
        >>> plankton().imbalance is None
        True
    """
    recipe: dict[str, Any] = {
        "dataset": "plankton",
        "imbalance": None,
        "shrink": 2,
        "model": "resnet8-cifar",
        "epochs": 15,
        "batch_size": 64,
        "learning_rate": 0.1,
        "augmentations": ("crop", "flip"),
        "mean": (0.955,),
        "std": (0.137,),
        "evaluate_every": 0,
    }
    return TrainingConfig(loss=loss, seed=seed, **(recipe | settings))
