"""The run that a second stage starts from, checked against its configuration and its data."""

import dataclasses
import hashlib
from typing import Any

from longtail.data import Splits, data_config
from longtail.models import Network
from longtail.runs import RunFolder
from longtail.training.network import trained_network
from longtail.training.run_splits import has_data_of
from longtail.training.second_stage_config import SecondStageConfig
from longtail.training.stored_config import stored_config

OF_EACH_STAGE = ("augment", "augment_on", "channels_last")
"""Settings of the data that a second stage may have of its own."""


def checksum(first: RunFolder) -> str:
    """16 hexadecimal digits of a hash of the weights of a run, for `SecondStageConfig.first_stage`."""
    return hashlib.sha256(first.weights_path.read_bytes()).hexdigest()[:16]


def network_of_first_stage(first: RunFolder, config: SecondStageConfig, splits: Splits) -> Network:
    """The trained network of the first stage, on the CPU.

    Raises:
        ValueError: the configuration names another run, or its data differ.
    """
    if checksum(first) != config.first_stage:
        raise ValueError(
            f"`first_stage` must be the run that this second stage started from, of checksum {config.first_stage}. "
            f"Got {first.path}, of {checksum(first)}."
        )
    _check_same_data(first, config, splits)
    return trained_network(first)


def first_stage_summary(first: RunFolder) -> dict[str, Any]:
    """The entry of the first stage in the result of a second stage."""
    return {
        "folder": first.path.name,
        "config": first.header["config"],
        "training_minutes": (first.result or {}).get("training_minutes"),
    }


def _check_same_data(first: RunFolder, config: SecondStageConfig, splits: Splits) -> None:
    had = stored_config(first)
    of_data = {field.name for field in dataclasses.fields(data_config(had.dataset))} - {
        *OF_EACH_STAGE,
        *had.PATHS,
        *had.OF_THE_PROCESS,
    }
    for name in [*sorted(of_data), "model"]:
        if getattr(config, name, None) != getattr(had, name):
            raise ValueError(
                f"`{name}` must be as in the first stage, {getattr(had, name)!r}. Got {getattr(config, name, None)!r}."
            )
    if not has_data_of(first, splits):
        raise ValueError(f"`data` must be those of the first stage, {first.path}. Its samples or labels differ.")
