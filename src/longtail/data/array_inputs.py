"""Arrays as inputs: images of bytes, or features of finite numbers."""

from typing import Any

import numpy as np

from longtail.arguments import NO_NUMBERS
from longtail.data.features.mapped_array import is_large_table
from longtail.data.features.rows import ROWS_AT_ONCE, FeatureRows, is_mapped

CHANNELS = (1, 3, 4)


def inputs_of(inputs: np.ndarray, where: str, notes: list[str]) -> dict[str, Any]:
    """An array as an argument of `RawPart`, `images` or `features`.

    Args:
        inputs: (N, D) numbers; or (N, H, W), (N, H, W, C) or (N, C, H, W) uint8.
        where: what messages call it.
        notes: gets a note if the second axis is read as channels.

    Raises:
        ValueError: another shape or dtype, or numbers that are not finite.

    Example:
        >>> notes = []
        >>> {name: array.shape for name, array in inputs_of(np.zeros((5, 3, 8, 8), np.uint8), "`X`", notes).items()}
        {'images': (5, 8, 8, 3)}
        >>> notes
        ['`X`: the second axis of (5, 3, 8, 8) is read as channels.']
    """
    if inputs.ndim == 2:
        return {"features": _as_features(inputs, where)}
    if inputs.ndim not in (3, 4):
        raise ValueError(f"{where} must be images (N, H, W[, C]) or features (N, D). Got the shape {inputs.shape}.")
    if inputs.dtype != np.uint8:
        raise ValueError(
            f"{where} must hold images as uint8, 0 to 255. Got {inputs.dtype} of the shape {inputs.shape}. Convert "
            "images in [0, 1] with `(255 * x).round().astype('uint8')`; reshape features to (N, D)."
        )
    if inputs.ndim == 4 and inputs.shape[3] not in CHANNELS:
        if inputs.shape[1] not in CHANNELS:
            raise ValueError(f"{where} must hold images of 1, 3 or 4 channels. Got the shape {inputs.shape}.")
        notes.append(f"{where}: the second axis of {inputs.shape} is read as channels.")
        inputs = np.ascontiguousarray(np.moveaxis(inputs, 1, 3))
    return {"images": inputs[..., 0] if inputs.ndim == 4 and inputs.shape[3] == 1 else inputs}


def _as_features(inputs: np.ndarray, where: str) -> np.ndarray | FeatureRows:
    features: np.ndarray | FeatureRows
    if is_large_table(inputs.shape, inputs.dtype) and (inputs.dtype == np.float16 or is_mapped(inputs)):
        features = FeatureRows(inputs)
    else:
        try:
            if inputs.dtype.kind in NO_NUMBERS:
                raise TypeError
            features = np.ascontiguousarray(inputs, dtype=np.float32)
        except (ValueError, TypeError):
            raise ValueError(f"{where} must hold numbers. Got {inputs.dtype}.") from None
    for start in range(0, len(features), ROWS_AT_ONCE):
        odd = ~np.isfinite(features[start : start + ROWS_AT_ONCE])
        if odd.any():
            row, column = (int(place[0]) for place in np.nonzero(odd))
            raise ValueError(
                f"{where} must hold finite numbers. Got {inputs[start + row, column]} at sample {start + row}, "
                f"column {column}."
            )
    return features
