"""`longtail train RECIPE`."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import tyro

from longtail.arguments import check_strength
from longtail.recipes import cifar10_lt, cifar100_lt
from longtail.training.config import TrainingConfig

Recipe = tyro.extras.subcommand_type_from_defaults(
    {"cifar100-lt": cifar100_lt(), "cifar10-lt": cifar10_lt()},
    descriptions={
        "cifar100-lt": "CIFAR-100-LT, ResNet-32, 200 epochs, as the GALA paper trains it.",
        "cifar10-lt": "CIFAR-10-LT, ResNet-32, 200 epochs, as the GALA paper trains it.",
    },
    prefix_names=False,
)


def train(
    recipe: Annotated[Recipe, tyro.conf.arg(name="")],  # type: ignore[valid-type]
    *,
    data: Path,
    out: Path | None = None,
    resume: bool = False,
    download: bool = False,
    checkpoint_seconds: float = 60.0,
) -> None:
    """Train a model as a recipe says and score it; what the result depends on is kept in the run folder.

    Each recipe lists its settings, and what they mean: longtail train cifar100-lt --help

    Args:
        recipe: The recipes.
        data: Folder that holds the data set's archive, unpacked or not.
        out: Folder of the run; by default one in runs/, named by loss, seed and what differs from the recipe.
        resume: Go on with the run in that folder, to the very result that it would have had; begin it if it is new.
        download: Fetch the data set into the data folder if it is missing.
        checkpoint_seconds: Time between two checkpoints; what was done since the last is done again on resuming.
    """
    from longtail.cli.table import print_result
    from longtail.training.experiment import run_experiment
    from longtail.training.progress import ProgressReport

    config: TrainingConfig = recipe
    check_strength("checkpoint_seconds", checkpoint_seconds)
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started, one speaks
    folder = run_experiment(
        config,
        data=data,
        out=out or default_folder(config),
        resume=resume,
        download=download,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=[ProgressReport()] if first else [],
    )
    if first:
        print_result(folder)


def default_folder(config: TrainingConfig) -> Path:
    """Where a run goes if nothing is said: named by its loss, its seed and whatever differs from the recipe."""
    recipe = dataclasses.asdict(cifar10_lt() if config.dataset == "cifar10" else cifar100_lt())
    named = ("dataset", "imbalance", "loss", "seed")
    changes = [
        f"{name}_{_in_a_name(value)}"
        for name, value in dataclasses.asdict(config).items()
        if name not in named and value != recipe[name]
    ]
    data = f"{config.dataset}-lt-imbalance{config.imbalance:g}"
    return Path("runs") / "-".join([data, config.loss, *changes, f"seed{config.seed}"])


def _in_a_name(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
