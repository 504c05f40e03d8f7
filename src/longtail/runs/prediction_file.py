"""Logits and labels of one set of samples, as npz without objects."""

from pathlib import Path

import numpy as np
from torch import Tensor

from longtail.array_headers import ArrayFile
from longtail.free_memory import free_memory
from longtail.runs.json_file import damaged
from longtail.runs.ordinary_file import ordinary
from longtail.whole_file import write_whole

BYTES_OF_A_LOGIT = 4  # as `save_predictions` writes it


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
    with write_whole(ordinary(path)) as file:
        np.savez(file, logits=logits.detach().cpu().float().numpy(), target=target.cpu().numpy())


def load_predictions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The logits and labels. Shapes are compared before anything is expanded.

    Raises:
        ValueError: the file is damaged, or too large for the memory.
    """
    try:
        arrays = ArrayFile(ordinary(path))
        _check_shapes(arrays, path)
        logits, target = arrays["logits"], arrays["target"]
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise damaged(path) from error
    if logits.dtype.kind != "f" or target.dtype.kind not in "iu":
        raise damaged(path)
    if np.isnan(logits.min(initial=0)):  # of the smallest number: no array of booleans as large as the logits
        raise damaged(path)
    if len(target) and not (target.min() >= 0 and target.max() < logits.shape[1]):
        raise damaged(path)
    return logits, target


def _check_shapes(arrays: ArrayFile, path: Path) -> None:
    rows, labels = arrays.shapes.get("logits", ()), arrays.shapes.get("target", ())
    if len(rows) != 2 or labels != rows[:1]:
        raise damaged(path)
    if BYTES_OF_A_LOGIT * rows[0] * rows[1] > free_memory():
        raise ValueError(f"{path} must fit into memory. Its logits are of the shape {rows}, which do not.")
