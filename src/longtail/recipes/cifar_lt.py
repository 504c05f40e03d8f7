"""CIFAR-10-LT and CIFAR-100-LT as the GALA paper trains them (Zhang et al., ICASSP 2024, and its released code).

ResNet-32, 200 epochs of SGD (momentum 0.9, weight decay 5e-4) in batches of 64, learning rate 0.1 after two epochs of
warm-up, then a cosine; random crop, flip, AutoAugment's CIFAR-10 policy and Cutout; CIFAR-10's channel statistics.
Two differences: the last epoch trains (theirs has rate 0), and its result is reported (theirs is the best epoch on the
test set, which stands beside ours in a column that says so).
"""

from typing import Any

from longtail.recipes.known_settings import with_fields_of
from longtail.training.config import TrainingConfig


@with_fields_of(TrainingConfig)
def cifar100_lt(imbalance: float = 100.0, loss: str = "gala", seed: int = 0, **settings: Any) -> TrainingConfig:
    """CIFAR-100-LT.

    Args:
        imbalance: imbalance factor; the paper has 200, 100, 50, 10.
        loss: a name of `longtail.losses.catalogue`.
        seed: of weights, order and augmentation.
        **settings: any other field of `TrainingConfig`.

    Example:
        >>> cifar100_lt().augmentations
        ('crop', 'flip', 'auto_augment', 'cutout')
    """
    return _cifar_lt("cifar100", {"imbalance": imbalance, "loss": loss, "seed": seed, **settings})


@with_fields_of(TrainingConfig)
def cifar10_lt(imbalance: float = 100.0, loss: str = "gala", seed: int = 0, **settings: Any) -> TrainingConfig:
    """CIFAR-10-LT; arguments as in `cifar100_lt`.

    Example:
        >>> cifar10_lt(epochs=100).dataset
        'cifar10'
    """
    return _cifar_lt("cifar10", {"imbalance": imbalance, "loss": loss, "seed": seed, **settings})


def _cifar_lt(dataset: str, settings: dict[str, Any]) -> TrainingConfig:
    recipe: dict[str, Any] = {
        "dataset": dataset,
        "epochs": 200,
        "batch_size": 64,
        "learning_rate": 0.1,
        "warmup_epochs": 2,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "model": "resnet32-cifar",
        "augmentations": ("crop", "flip", "auto_augment", "cutout"),
    }
    return TrainingConfig(**(recipe | settings))
