"""The recipe of `longtail train` and `longtail compare`, as the parser takes it."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

DESCRIPTIONS = {
    "features": "Your own data: a classifier on features of a frozen pretrained network, trained in seconds.",
    "finetune": "Your own images: a pretrained network trained further, all of it or a part; best with a GPU.",
    "scratch": "Your own images: a small network from its initial weights, 32 x 32 pixels, 60 epochs.",
    "cifar100-lt": "CIFAR-100-LT, ResNet-32, 200 epochs, as the GALA paper trains it.",
    "cifar10-lt": "CIFAR-10-LT, ResNet-32, 200 epochs, as the GALA paper trains it.",
    "digits-lt": "Digits of 8 x 8 pixels with a long tail, ResNet-8, 60 epochs: seconds, and no data needed.",
    "imagenet-lt": "ImageNet-LT, 115,846 images, ResNet-50, 180 epochs. With --loss ce --mixing mixup the first of "
    "two stages; then longtail retrain RUN --method decoupled-gala.",
    "places-lt": "Places-LT, 62,500 images, the last block of a pretrained ResNet-152, 90 epochs; stages as above.",
    "inaturalist18": "iNaturalist 2018, 437,513 images, ResNet-50, 200 epochs; stages as above.",
    "plankton": "Plankton, 121 classes with a natural long tail, ResNet-8, 15 epochs.",
}
"""The recipes in the order of the help: those for data of the user first."""


@dataclass(frozen=True)
class _NamedOnly:
    """Takes the place of a configuration in a help that lists the recipes without their settings."""


def taking_recipe(command: Callable[..., Any], arguments: Sequence[str]) -> Callable[..., Any]:
    """The command, with its parameter `recipe` as the choice of one recipe and its settings.

    The configurations check themselves with the data sources, losses and samplers, so they take as long as PyTorch to
    import. A help that names no recipe shows none of their settings, and does without.

    Args:
        command: the function of `train` or `compare`.
        arguments: of the command line.
    """
    recipes = dict.fromkeys(DESCRIPTIONS, _NamedOnly()) if _names_only(arguments) else _configurations()
    kind = tyro.extras.subcommand_type_from_defaults(recipes, descriptions=DESCRIPTIONS, prefix_names=False)

    def parsed(*given: Any, **options: Any) -> Any:
        return command(*given, **options)

    parsed.__doc__ = command.__doc__
    parsed.__signature__ = inspect.signature(command)  # type: ignore[attr-defined]
    parsed.__annotations__ = {**command.__annotations__, "recipe": Annotated[kind, tyro.conf.arg(name="")]}
    return parsed


def _names_only(arguments: Sequence[str]) -> bool:
    """Whether a help is asked for that names no recipe."""
    return not {"-h", "--help"}.isdisjoint(arguments) and set(DESCRIPTIONS).isdisjoint(arguments)


def _configurations() -> dict[str, Any]:
    from longtail.recipes import RECIPES

    return {name: RECIPES[name]() for name in DESCRIPTIONS}
