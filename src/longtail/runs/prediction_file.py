"""Logits and labels of one set of samples, as npz without objects."""

import zipfile
from pathlib import Path

import numpy as np
from torch import Tensor

from longtail.runs.json_file import damaged
from longtail.whole_file import write_whole


def save_predictions(path: Path, logits: Tensor, target: Tensor) -> None:
    """Write logits (N, C) as float32 and labels (N,).

    Raises:
        ValueError: shapes that do not fit together.
    """
    if logits.dim() != 2 or target.shape != logits.shape[:1] or target.is_floating_point():
        raise ValueError(
            "`logits` and `target` must have the shapes (N, C) and (N,), labels being integers. "
            f"Got {tuple(logits.shape)} and {tuple(target.shape)} of {target.dtype}."
        )
    with write_whole(path) as file:
        np.savez(file, logits=logits.detach().cpu().float().numpy(), target=target.cpu().numpy())


def load_predictions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The logits and labels.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            logits, target = arrays["logits"], arrays["target"]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise damaged(path) from error
    if logits.ndim != 2 or target.shape != logits.shape[:1] or target.dtype.kind not in "iu":
        raise damaged(path)
    if np.isnan(logits.min(initial=0)):  # of the smallest number: no array of booleans as large as the logits
        raise damaged(path)
    if len(target) and not (target.min() >= 0 and target.max() < logits.shape[1]):
        raise damaged(path)
    return logits, target
