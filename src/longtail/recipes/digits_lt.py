"""Digits with a long tail: 382 real images of 8 × 8 pixels that come with scikit-learn, trained in seconds.

A recipe of this project, for demonstrations and for tables of many methods and seeds; no paper reports on it.
"""

from typing import Any

from longtail.recipes.known_settings import with_fields_of
from longtail.training.config import TrainingConfig


@with_fields_of(TrainingConfig)
def digits_lt(imbalance: float = 50.0, loss: str = "gala", seed: int = 0, **settings: Any) -> TrainingConfig:
    """Digits whose training set has a long tail. Many are classes of more than 50 images, few of fewer than 10.

    Args:
        imbalance: imbalance factor.
        loss: a name of `longtail.losses.catalogue`.
        seed: of weights, order and augmentation.
        **settings: any other field of `TrainingConfig`.

    Example:
        >>> digits_lt(epochs=20).model
        'resnet8-cifar'
    """
    recipe: dict[str, Any] = {
        "dataset": "digits",
        "model": "resnet8-cifar",
        "epochs": 60,
        "batch_size": 32,
        "learning_rate": 0.1,
        "augmentations": ("crop",),
        "mean": (0.289,),
        "std": (0.355,),
        "many_above": 50,
        "few_below": 10,
        "evaluate_every": 0,
        "precision": "float32",
    }
    return TrainingConfig(imbalance=imbalance, loss=loss, seed=seed, **(recipe | settings))
