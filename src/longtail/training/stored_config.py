"""The configuration in a run folder, of the class that belongs to its stage and its data."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from longtail.runs import RunFolder
from longtail.runs.check_run import check_run
from longtail.training.config import TrainingConfig
from longtail.training.stages import config_class


def stored_config(folder: RunFolder) -> TrainingConfig:
    """The configuration of a run of any stage.

    Raises:
        ValueError: it is not a training run, or a version with other settings wrote it.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", config=digits_lt(epochs=5), seed=0)
        >>> stored_config(folder) == digits_lt(epochs=5)
        True
    """
    check_run("folder", folder)
    try:
        return config_from_json(folder.header["config"])
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"`folder` must be a training run that this version knows. Got {folder.path}, whose run.json says: {error}"
        ) from None


def config_from_json(stored: Mapping[str, Any]) -> TrainingConfig:
    """The configuration as an object of the class that its stage has for its data.

    Args:
        stored: the settings, as in `run.json`.

    Raises:
        ValueError: it has settings that this version does not know.

    Example:
        >>> config_from_json({"stage": "scratch", "dataset": "digits", "model": "resnet8-cifar"}).model
        'resnet8-cifar'
    """
    if stored.get("crop_pct") and not stored.get("interpolation"):  # begun before networks were asked for it too
        stored = {**stored, "interpolation": "bicubic"}
    dataset = stored.get("dataset", TrainingConfig.dataset)
    stage = stored["stage"] if "stage" in stored else _stage_of_old(stored, dataset)
    return config_class(stage, dataset).from_json(stored)


def _stage_of_old(stored: Mapping[str, Any], dataset: str) -> str:
    """The stage of a configuration that is older than the setting `stage`: one of two, whose settings differ."""
    known = {field.name for field in dataclasses.fields(config_class("scratch", dataset))} | {"depth"}
    return "scratch" if set(stored) <= known else "second-stage"
