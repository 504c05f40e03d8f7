"""Settings about images, which are refused where the data are features instead of being ignored."""

from pathlib import Path

from longtail.cli.own_data import holds_images
from longtail.cli.recipe_of import recipe_of
from longtail.training.config import TrainingConfig

ABOUT_IMAGES = (
    "size",
    "crop_pct",
    "interpolation",
    "mean",
    "std",
    "augment",
    "augment_on",
    "augmentations",
    "workers",
    "views",
    "on_bad_file",
    "model",
    "pretrained",
    "weights",
)


def refuse_image_settings(config: TrainingConfig, data: Path | None) -> None:
    """Raise if a setting about images was given for your own data that are features.

    The data are read for this only if such a setting was given.

    Raises:
        ValueError: names the option.
    """
    if config.dataset != "own" or data is None or holds_images(data):
        return
    _, usual = recipe_of(config)
    given = [name for name in ABOUT_IMAGES if getattr(config, name) != getattr(usual, name)]
    if given and _are_features(config, data):
        option = given[0].replace("_", "-")
        raise ValueError(
            f"--{option} does not apply to {data}, which holds features: it is for images. Got "
            f"{getattr(config, given[0])!r}. Leave it out."
        )


def _are_features(config: TrainingConfig, data: Path) -> bool:
    from longtail.data import OwnDataConfig, read_data

    assert isinstance(config, OwnDataConfig)
    parts = read_data(
        data,
        root=config.root,
        path_column=config.path_column,
        label=config.label,
        split=config.split,
        group=config.group,
    )
    return parts.train.features is not None
