"""A part of a JPEG file that is not decoded at a reduced size: its pixels, resized by PyTorch.

PyTorch resizes three bytes per pixel, Pillow four. simplejpeg, where it is installed (the extra `jpeg`), decodes to the
same pixels as Pillow in two thirds of the time.
"""

import os
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from longtail.data.images.image_bytes import ImageBytes

BY_PYTORCH = ("bilinear", "bicubic")
"""Interpolations of `resize_part`; Pillow computes the others."""


def stored_pixels(image: Image.Image, path: str | os.PathLike[str] | ImageBytes) -> np.ndarray:
    """(H, W, 3) uint8 of an RGB image that Pillow has opened, and not yet decoded; raises as Pillow does."""
    library = _simplejpeg()
    if library is not None:
        try:
            content = path.read() if isinstance(path, ImageBytes) else Path(path).read_bytes()
            pixels: np.ndarray = library.decode_jpeg(content, "RGB")
        except ValueError:  # Pillow decodes more, and names what is wrong
            pass
        else:
            return pixels
    return np.array(image)


def resize_part(pixels: np.ndarray, box: tuple[int, int, int, int], size: int, interpolation: str) -> Image.Image:
    """Cut out a part and resize it to a square, within 1 of what Pillow does.

    Args:
        pixels: (H, W, 3) uint8.
        box: left, top, width and height of the part.
        size: width and height of the result in pixels.
        interpolation: one of `BY_PYTORCH`.
    """
    left, top, width, height = box
    part = torch.from_numpy(pixels[top : top + height, left : left + width]).permute(2, 0, 1)[None]
    part = part.contiguous(memory_format=torch.channels_last)  # other strides would be resized channel by channel
    square = F.interpolate(part, (size, size), mode=interpolation, antialias=True)[0]
    return Image.fromarray(np.ascontiguousarray(square.permute(1, 2, 0).numpy()))


@cache
def _simplejpeg() -> ModuleType | None:
    try:
        import simplejpeg
    except ModuleNotFoundError:
        return None
    module: ModuleType = simplejpeg
    return module
