"""`longtail train RECIPE`."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import tyro

from longtail.arguments import check_strength
from longtail.recipes import RECIPES
from longtail.training.config import TrainingConfig

Recipe = tyro.extras.subcommand_type_from_defaults(
    {name: recipe() for name, recipe in RECIPES.items()},
    descriptions={
        "digits-lt": "Digits of 8 x 8 pixels with a long tail, ResNet-8, 60 epochs: seconds, and no data needed.",
        "plankton": "Plankton, 121 classes with a natural long tail, ResNet-8, 15 epochs.",
        "cifar100-lt": "CIFAR-100-LT, ResNet-32, 200 epochs, as the GALA paper trains it.",
        "cifar10-lt": "CIFAR-10-LT, ResNet-32, 200 epochs, as the GALA paper trains it.",
    },
    prefix_names=False,
)


def train(
    recipe: Annotated[Recipe, tyro.conf.arg(name="")],  # type: ignore[valid-type]
    *,
    data: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    download: bool = False,
    checkpoint_seconds: float = 60.0,
    record_gradients: bool = False,
) -> None:
    """Train a model as a recipe says and score it; what the result depends on is kept in the run folder.

    Each recipe lists its settings, and what they mean: longtail train cifar100-lt --help

    Args:
        recipe: The recipes.
        data: Folder of the data set; of CIFAR its archive, unpacked or not. Digits need none.
        out: Folder of the run; by default one in runs/, named by loss, seed and what differs from the recipe.
        resume: Go on with the run in that folder, to the very result that it would have had; begin it if it is new.
        download: Fetch the data set into the data folder if it is missing.
        checkpoint_seconds: Time between two checkpoints; what was done since the last is done again on resuming.
        record_gradients: Keep the gradient that each classifier receives, and from which class, for the report.
    """
    from longtail.analysis.gradient_recorder import GradientRecorder, is_recorded
    from longtail.cli.table import print_result
    from longtail.training.callbacks import Callback
    from longtail.training.experiment import run_experiment
    from longtail.training.progress import ProgressReport

    config: TrainingConfig = recipe
    check_strength("checkpoint_seconds", checkpoint_seconds)
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started, one speaks
    out = out or default_folder(config)
    callbacks: list[Callback] = [ProgressReport()] if first else []
    if record_gradients or (resume and is_recorded(out)):
        callbacks.append(GradientRecorder())
    folder = run_experiment(
        config,
        data=data,
        out=out,
        resume=resume,
        download=download,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    if first:
        print_result(folder)


def default_folder(config: TrainingConfig) -> Path:
    """Where a run goes if nothing is said: named by its loss, its seed and whatever differs from the recipe."""
    _, recipe = recipe_of(config)
    named = ("dataset", "imbalance", "loss", "seed")
    changes = [
        f"{field}_{_in_a_name(value)}"
        for field, value in dataclasses.asdict(config).items()
        if field not in named and value != getattr(recipe, field)
    ]
    return Path("runs") / "-".join([data_name(config), config.loss, *changes, f"seed{config.seed}"])


def recipe_of(config: TrainingConfig) -> tuple[str, TrainingConfig]:
    """The recipe of a data set, by its name and as it is."""
    return next((name, made()) for name, made in RECIPES.items() if made().dataset == config.dataset)


def data_name(config: TrainingConfig) -> str:
    """The recipe and, where the tail is made, its imbalance: cifar100-lt-imbalance100."""
    name, _ = recipe_of(config)
    return name if config.imbalance is None else f"{name}-imbalance{config.imbalance:g}"


def _in_a_name(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
