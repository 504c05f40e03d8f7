"""What transforms ask of a batch of images."""

import torch
from torch import Tensor


def check_images(images: Tensor, *, channels: int | None = None, dtype: torch.dtype | None = None) -> None:
    """Raise unless images are a tensor (N, C, H, W), of so many channels and of that dtype.

    Raises:
        TypeError: no tensor, or another dtype.
        ValueError: another shape.

    Example:
        >>> check_images(torch.zeros(3, 32, 32))
        Traceback (most recent call last):
        ValueError: `images` must have the shape (N, C, H, W). Got (3, 32, 32). For one image, pass `images[None]`.
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"`images` must be a tensor. Got {type(images).__name__}.")
    if images.dim() != 4 or channels not in (None, images.shape[1]):
        expected = f"(N, {channels or 'C'}, H, W)"
        one = " For one image, pass `images[None]`." if images.dim() == 3 else ""
        raise ValueError(f"`images` must have the shape {expected}. Got {tuple(images.shape)}.{one}")
    if dtype not in (None, images.dtype):
        scale = ", 0 to 255" if dtype == torch.uint8 else ""
        raise TypeError(f"`images` must be {str(dtype).removeprefix('torch.')}{scale}. Got {images.dtype}.")
