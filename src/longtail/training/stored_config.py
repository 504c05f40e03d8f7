"""The configuration that a run folder holds, of the class that its stage and its data have."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig
from longtail.training.stages import config_class


def stored_config(folder: RunFolder) -> TrainingConfig:
    """The configuration of a run, of whatever stage.

    Raises:
        ValueError: it is no training run, or of a version that has other settings.
    """
    try:
        return config_from_json(folder.header["config"])
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(
            f"`folder` must be a training run that this version knows. Got {folder.path}, whose run.json says: {error}"
        ) from None


def config_from_json(stored: Mapping[str, Any]) -> TrainingConfig:
    """The configuration that JSON holds, of the class that its stage has for its data.

    Raises:
        ValueError: settings that this version does not know.
    """
    dataset = stored.get("dataset", TrainingConfig.dataset)
    stage = stored["stage"] if "stage" in stored else _stage_of_old(stored, dataset)
    return config_class(stage, dataset).from_json(stored)


def _stage_of_old(stored: Mapping[str, Any], dataset: str) -> str:
    """Of a configuration that was kept before it named its stage: there were two, whose settings differ."""
    known = {field.name for field in dataclasses.fields(config_class("scratch", dataset))} | {"depth"}
    return "scratch" if set(stored) <= known else "second-stage"
