"""`longtail train RECIPE`."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from longtail.arguments import check_strength
from longtail.cli.console import say
from longtail.cli.image_settings import refuse_image_settings
from longtail.cli.own_data import default_recipe, holds_images
from longtail.cli.recipe_of import recipe_of
from longtail.recipes import RECIPES
from longtail.training.config import TrainingConfig

OWN = ("features", "finetune", "scratch")
Recipe = tyro.extras.subcommand_type_from_defaults(
    {name: recipe() for name, recipe in sorted(RECIPES.items(), key=lambda item: item[0] not in OWN)},
    descriptions={
        "features": "Your own data: a classifier on features of a frozen pretrained network, trained in seconds.",
        "finetune": "Your own images: a pretrained network trained further, all of it or a part; best with a GPU.",
        "scratch": "Your own images: a small network from its initial weights, 32 x 32 pixels, 60 epochs.",
        "digits-lt": "Digits of 8 x 8 pixels with a long tail, ResNet-8, 60 epochs: seconds, and no data needed.",
        "plankton": "Plankton, 121 classes with a natural long tail, ResNet-8, 15 epochs.",
        "imagenet-lt": "ImageNet-LT, 115,846 images, ResNet-50, 180 epochs. With --loss ce --mixing mixup the first of "
        "two stages; then longtail retrain RUN --method decoupled-gala.",
        "places-lt": "Places-LT, 62,500 images, the last block of a pretrained ResNet-152, 90 epochs; stages as above.",
        "inaturalist18": "iNaturalist 2018, 437,513 images, ResNet-50, 200 epochs; stages as above.",
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
    """Train on your own data (longtail train photos/) or with the recipe of a benchmark, then evaluate.

    A path is a folder of class folders (or of train, val and test with class folders), a list of paths and labels, a
    table of paths, of images as bytes (Parquet) or of numeric features, a folder of Parquet files as data sets of
    Hugging Face have them, or arrays. Its recipe is finetune for folders and lists of images with a GPU, else features.
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
    from longtail.cli.training_run import train_and_print
    from longtail.training.hardware import first_process

    config: TrainingConfig = recipe
    check_strength("checkpoint_seconds", checkpoint_seconds)
    first = first_process()
    out = out or default_folder(config, data)
    if config.dataset == "digits" and data is not None:
        raise ValueError(
            f"--data must be left out for digits-lt, which needs none. Got {data}. Did you mean: longtail train {data}?"
        )
    if not (resume and out.exists()):
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


def _recipe_in_words(config: TrainingConfig, data: Path | None) -> str:
    name, _ = recipe_of(config)
    default, reason = ("", "") if data is None else default_recipe(data)
    return f"recipe {name}{f' ({reason})' if name == default else ''}, loss {config.loss}"


def _network_in_words(config: TrainingConfig, data: Path) -> str:
    """The network, unless the data may be features, which need none."""
    if config.stage == "features" and not holds_images(data):
        return ""
    if config.weights is not None:
        return f", network {config.model} with the weights of {config.weights}"
    trained = "not pretrained" if config.pretrained is False or config.stage == "scratch" else "pretrained"
    return f", network {config.model}, {trained}"


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
