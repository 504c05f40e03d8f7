"""The names of runs and of their default folders."""

import dataclasses
from pathlib import Path

from longtail.cli.recipe_of import recipe_of
from longtail.training.config import TrainingConfig


def default_folder(config: TrainingConfig, data: Path | None = None) -> Path:
    """The default folder of a run, named after data, loss, seed and all settings that differ from the recipe."""
    name, recipe = recipe_of(config)
    if config.dataset == "own":
        origin = "" if data is None else f"{data.resolve().name.split('.')[0]}-"
        return Path("runs") / f"{origin}{name}-{config.loss}-seed{config.seed}"
    named = ("dataset", "imbalance", "loss", "seed", *config.PATHS, *config.OF_THE_PROCESS)
    changes = [
        f"{field}_{_in_a_name(value)}"
        for field, value in dataclasses.asdict(config).items()
        if field not in named and value != getattr(recipe, field)
    ]
    return Path("runs") / "-".join([data_name(config), config.loss, *changes, f"seed{config.seed}"])


def data_name(config: TrainingConfig) -> str:
    """The name of the recipe, with the imbalance of an artificial tail: cifar100-lt-imbalance100."""
    name, _ = recipe_of(config)
    return name if config.imbalance is None else f"{name}-imbalance{config.imbalance:g}"


def _in_a_name(value: object) -> str:
    """The value, of a path (of weights, or hf-hub:OWNER/NAME) its last part."""
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value).rstrip("/").rpartition("/")[2]
