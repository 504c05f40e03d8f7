"""Sources of splits by name. Your own kind of data is a function and one line: `SOURCES["mine"] = my_source`.

A package registers one under the entry point group `longtail.data`.
"""

from collections.abc import Callable
from typing import Any

import torch

from longtail.data.built_in.sources import cifar, digits, plankton
from longtail.data.check import Progress
from longtail.data.config import DataConfig
from longtail.data.contract import Splits
from longtail.data.large_sets.facts import LARGE_SETS
from longtail.data.large_sets.source import large_set
from longtail.data.own import own_data
from longtail.data.own_config import OwnDataConfig
from longtail.registry import find_registered

Source = Callable[[DataConfig, Any, torch.device, bool, Progress | None], Splits]
"""From settings, the user's data (a path, an object, or None), the device, whether to download, and a function called
with the progress, to splits."""

SOURCES: dict[str, Source] = {
    "cifar10": cifar,
    "cifar100": cifar,
    "digits": digits,
    "plankton": plankton,
    "own": own_data,
    **dict.fromkeys(LARGE_SETS, large_set),
}

DATA_CONFIGS: dict[str, type[DataConfig]] = {
    "own": OwnDataConfig,
    **dict.fromkeys(LARGE_SETS, OwnDataConfig),
}
"""The settings that a source reads, where they are not those of `DataConfig`."""


def load_splits(
    config: DataConfig, data: Any, device: torch.device, *, download: bool = False, progress: Progress | None = None
) -> Splits:
    """The splits of a run.

    Args:
        config: names the source and has its settings.
        data: the folder of the data set, or what the source takes in its place; digits need none.
        device: where the samples or their batches are to be.
        download: fetch the data set where it is missing and can be had.
        progress: called with the name of a long step and the completed share of it.

    Raises:
        FileNotFoundError, ValueError: the data are missing or damaged, or do not fit the settings.

    Example:
        >>> from longtail.data import DataConfig
        >>> config = DataConfig(dataset="digits", imbalance=50, mean=(0.289,), std=(0.355,))
        >>> load_splits(config, None, torch.device("cpu")).info.class_counts
        (138, 89, 57, 37, 24, 15, 10, 6, 4, 2)
    """
    return find_source(config.dataset)(config, data, device, download, progress)


def data_config(dataset: str) -> type[DataConfig]:
    """The class of the settings that a source reads.

    Example:
        >>> data_config("digits").__name__, data_config("own").__name__
        ('DataConfig', 'OwnDataConfig')
    """
    return DATA_CONFIGS.get(dataset, DataConfig)


def find_source(name: str) -> Source:
    """The source of that name, of this package or of another.

    Raises:
        ValueError: there is none.
    """
    return find_registered(SOURCES, name, argument="dataset", group="longtail.data")
