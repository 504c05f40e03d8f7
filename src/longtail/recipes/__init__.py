"""Full configurations, as the field runs them, and the methods that go into them.

>>> from longtail.recipes import cifar100_lt
>>> cifar100_lt(imbalance=50, seed=1).batch_size
64
"""

from collections.abc import Callable

from longtail.recipes.cifar_lt import cifar10_lt, cifar100_lt
from longtail.recipes.digits_lt import digits_lt
from longtail.recipes.large_sets import imagenet_lt, inaturalist18, places_lt
from longtail.recipes.methods import METHODS, Method, with_method
from longtail.recipes.own_data import features, finetune, scratch
from longtail.recipes.plankton import plankton
from longtail.recipes.second_stages import SECOND_STAGES, second_stage
from longtail.training.config import TrainingConfig

RECIPES: dict[str, Callable[..., TrainingConfig]] = {
    "cifar100-lt": cifar100_lt,
    "cifar10-lt": cifar10_lt,
    "digits-lt": digits_lt,
    "imagenet-lt": imagenet_lt,
    "places-lt": places_lt,
    "inaturalist18": inaturalist18,
    "plankton": plankton,
    "features": features,
    "finetune": finetune,
    "scratch": scratch,
}
"""The recipes by the names that the command line uses."""

__all__ = [
    "METHODS",
    "RECIPES",
    "SECOND_STAGES",
    "Method",
    "cifar10_lt",
    "cifar100_lt",
    "digits_lt",
    "features",
    "finetune",
    "imagenet_lt",
    "inaturalist18",
    "places_lt",
    "plankton",
    "scratch",
    "second_stage",
    "with_method",
]
