"""Decoded images on their way to the device."""

import torch
from torch import Tensor


def to_device(images: Tensor, device: torch.device) -> Tensor:
    """Copy images to the device; to a GPU asynchronously, from pinned memory.

    Args:
        images: uint8, on the CPU.
        device: of the network.

    Example:
        >>> to_device(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.device("cpu")).device
        device(type='cpu')
    """
    if device.type != "cuda":
        return images.to(device)
    return images.pin_memory().to(device, non_blocking=True)
