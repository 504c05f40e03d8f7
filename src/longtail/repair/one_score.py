"""A single score per sample, that of the second of two classes."""

import numpy as np
import torch
from torch import Tensor

from longtail.posthoc.inputs import Array


def both_columns(given: Array, *, probabilities: bool) -> Array:
    """Scores (N, 1) of the second class as (N, 2); anything else as it is.

    Args:
        given: scores.
        probabilities: whether they are probabilities, else logits: those of the first class are then 0.

    Raises:
        ValueError: (N,), which could be one sample.

    Example:
        >>> both_columns(np.array([[0.25], [0.5]]), probabilities=True).tolist()
        [[0.75, 0.25], [0.5, 0.5]]
    """
    shape = tuple(getattr(given, "shape", ()))
    if len(shape) == 1 and shape != (2,):
        raise ValueError(
            f"`logits` must have the shape (N, 2), or (2,) for one sample. Got {shape}. One score per sample, that "
            "of the second class? Pass a column: scores[:, None]."
        )
    if len(shape) != 2 or shape[1] != 1:
        return given
    first = 1 - given if probabilities else 0 * given
    return torch.cat([first, given], 1) if isinstance(given, Tensor) else np.concatenate([first, given], 1)
