"""From bytes to what a network takes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail.transforms.image_batches import check_images


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(images / 255 − mean) / std, channel by channel.

    Args:
        images: (N, C, H, W) uint8.
        mean: C values in [0, 1].
        std: C values > 0, of the same scale.

    Raises:
        TypeError: other images than bytes.
        ValueError: another shape, or values outside what is written above.

    Returns:
        float32, in the memory format of the images.

    Example:
        >>> normalise(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), mean=[0.5], std=[0.25]).item()
        2.0
    """
    check_images(images, dtype=torch.uint8)
    spread = _of_channels("std", std, images, "finite and greater than 0")
    if not (spread > 0).all():
        raise ValueError(f"`std` must be finite and greater than 0. Got {list(std)}.")
    scale = 1 / (255 * spread)
    shift = _of_channels("mean", mean, images, "finite") * 255 * scale
    multiplier, offset = (
        _broadcast(constant.to(images.device, torch.float32, non_blocking=True), images) for constant in (scale, shift)
    )
    return images.to(torch.float32).mul_(multiplier).sub_(offset)


def _of_channels(name: str, values: Sequence[float], images: Tensor, rule: str) -> Tensor:
    """(C,) or (1,) finite numbers."""
    found = torch.tensor(values, dtype=torch.float64)
    if found.shape not in ((images.shape[1],), (1,)):
        raise ValueError(f"`{name}` must hold {images.shape[1]} values, one for each channel. Got {len(values)}.")
    if not found.isfinite().all():
        raise ValueError(f"`{name}` must be {rule}. Got {list(values)}.")
    return found


def _broadcast(constant: Tensor, images: Tensor) -> Tensor:
    """One value per channel, repeated over a row of channels-last images: loops over 3 channels are 7 times as slow."""
    values = constant.view(1, -1, 1, 1)
    if images.is_contiguous() or not images.is_contiguous(memory_format=torch.channels_last):
        return values
    return values.expand(-1, -1, 1, images.shape[3]).contiguous(memory_format=torch.channels_last)
