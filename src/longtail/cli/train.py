"""`longtail train RECIPE`."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from longtail.cli.console import say
from longtail.cli.own_data import default_recipe, holds_images

if TYPE_CHECKING:
    from longtail.training.config import TrainingConfig


def train(
    recipe: "TrainingConfig",
    *,
    data: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    download: bool = False,
    checkpoint_seconds: float = 60.0,
    record_gradients: bool = False,
) -> None:
    """Train on your own data (longtail train photos/) or with the recipe of a benchmark, then evaluate.

    A path is a folder of class folders (or of train, val and test with class folders), a list of paths and labels, a
    table of paths, of images as bytes (Parquet) or of numeric features, a folder of Parquet files as data sets of
    Hugging Face have them, tar shards (WebDataset), a tar file of class folders, or arrays. Its recipe is finetune for
    folders, tar files and lists of images with a GPU, else features.
    Each recipe explains its settings: longtail train features --help. All that the result depends on is kept in the run
    folder: longtail train --resume RUN resumes it with these settings.

    Args:
        recipe: The recipes.
        data: Your own data, or the folder of the data set; of CIFAR its archive, unpacked or not. Digits need none.
        out: Folder of the run; by default one in runs/, named after loss, seed and what differs from the recipe.
        resume: Resume the run in that folder, bit-identically; start it if the folder does not exist.
        download: Fetch the data set into the data folder if it is missing.
        checkpoint_seconds: Time between two checkpoints; a resumed run repeats the steps since the last one.
        record_gradients: Keep the gradient of each class's classifier weights, and its sources, for the report.
    """
    from longtail.analysis.gradient_recorder import GradientRecorder, is_recorded
    from longtail.arguments import check_strength
    from longtail.cli.image_settings import refuse_image_settings
    from longtail.cli.recipe_of import recipe_of
    from longtail.cli.run_name import default_folder
    from longtail.cli.training_run import train_and_print
    from longtail.started_processes import first_process

    config = recipe
    check_strength("checkpoint_seconds", checkpoint_seconds)
    first = first_process()
    out = out or default_folder(config, data)
    if config.dataset == "digits" and data is not None:
        raise ValueError(
            f"--data must be left out for digits-lt, which needs none. Got {data}. Did you mean: longtail train {data}?"
        )
    if not (resume and out.exists()):
        if config.dataset == "own" and data is None:
            example = f"longtail train {recipe_of(config)[0]} --data photos/"
            raise ValueError(f"--data must name your own data. Got none. Try {example}.")
        refuse_image_settings(config, data)
    if config.dataset == "own" and first and data is not None:  # a finished run may have lost its data
        say(f"{data}: {_recipe_in_words(config, data)}{_network_in_words(config, data)}")
    recorded = record_gradients or (resume and is_recorded(out))
    folder = train_and_print(
        config,
        data=data,
        out=out,
        resume=resume,
        download=download,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=[GradientRecorder()] if recorded else [],
    )
    if first:
        _point_to(folder.path)


def _point_to(run: Path) -> None:
    """Link `LATEST` beside the run to it, if the file system has links."""
    link = run.parent / "LATEST"
    if link.is_symlink() or not link.exists():
        with contextlib.suppress(OSError):
            link.unlink(missing_ok=True)
            link.symlink_to(run.name)


def _recipe_in_words(config: "TrainingConfig", data: Path) -> str:
    from longtail.cli.recipe_of import recipe_of

    name, _ = recipe_of(config)
    default, reason = default_recipe(data)
    return f"recipe {name}{f' ({reason})' if name == default else ''}, loss {config.loss}"


def _network_in_words(config: "TrainingConfig", data: Path) -> str:
    """The network, unless the data may be features, which need none."""
    if config.stage == "features" and not holds_images(data):
        return ""
    if config.weights is not None:
        return f", network {config.model} with the weights of {config.weights}"
    trained = "not pretrained" if config.pretrained is False or config.stage == "scratch" else "pretrained"
    return f", network {config.model}, {trained}"
