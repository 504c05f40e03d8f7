"""The splits of a run, read again after it: they must be of the data that it was trained on."""

from typing import Any

import torch

from longtail.data import Splits, load_splits
from longtail.runs import RunFolder
from longtail.training.stored_config import stored_config

CPU = torch.device("cpu")


def splits_of_run(folder: RunFolder, data: Any) -> Splits:
    """The training, validation and test samples of a run, on the CPU.

    Args:
        folder: the run, complete or not.
        data: the folder of its data set, or what its source takes in its place; digits need none.

    Raises:
        ValueError, OSError: it is not a training run, or the data are missing, damaged or not those that it was
            trained on.
    """
    splits = load_splits(stored_config(folder), data, CPU)
    if not has_data_of(folder, splits):
        raise ValueError(
            f"`data` must be the data that the run {folder.path} was trained on. Its samples or labels differ."
        )
    return splits


def has_data_of(folder: RunFolder, splits: Splits) -> bool:
    """Whether the splits are those of a run, by their fingerprint; the oldest run folders do not say."""
    known = folder.data
    return known is None or known.get("fingerprint") == splits.info.fingerprint
