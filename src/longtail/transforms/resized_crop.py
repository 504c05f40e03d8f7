"""Random resized crop and flip of whole batches, in one interpolation."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.autocast import without_autocast

DRAWS = 5


def random_resized_crop(
    images: Tensor,
    uniform: Tensor,
    size: int,
    *,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Tensor:
    """Cut a random part of each image, resize it to a square, and flip it with probability ½.

    Interpolation is bilinear without antialiasing: images should be only slightly larger than `size`. A part that would
    be wider or higher than the image is narrowed; torchvision draws again instead.

    Args:
        images: (N, C, S, S) uint8.
        uniform: (N, 5) on the CPU, in [0, 1): area, aspect ratio, left, top and flip of each.
        size: height and width of the result in pixels.
        scale: range of the area, as a share of the image.
        ratio: range of width over height.

    Returns:
        (N, C, size, size) uint8, in the memory format of the images.

    Example:
        >>> images = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
        >>> random_resized_crop(images, torch.rand(2, 5), 32).shape
        torch.Size([2, 3, 32, 32])
    """
    boxes = draw_boxes(uniform, scale, ratio)
    mirrored = uniform[:, 4] < 0.5
    return crop_boxes(images, boxes.to(images.device), mirrored.to(images.device), size)


def draw_boxes(uniform: Tensor, scale: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    """(N, 4) left, top, width and height as shares of the side of a square image, from (N, 4 or more) in [0, 1)."""
    area = scale[0] + (scale[1] - scale[0]) * uniform[:, 0]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.exp(low + (high - low) * uniform[:, 1])
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    return torch.stack([(1 - width) * uniform[:, 2], (1 - height) * uniform[:, 3], width, height], dim=1)


def crop_boxes(images: Tensor, boxes: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """The boxes of `draw_boxes`, resized to squares; (N,) those that are mirrored."""
    left, top, width, height = boxes.unbind(1)
    theta = torch.zeros(len(images), 2, 3, device=images.device)
    theta[:, 0, 0] = torch.where(mirrored, -width, width)
    theta[:, 1, 1] = height
    theta[:, 0, 2], theta[:, 1, 2] = 2 * left + width - 1, 2 * top + height - 1  # the image reaches from -1 to 1
    with without_autocast(images.device.type):  # bfloat16 does not tell pixels apart
        grid = F.affine_grid(theta, [len(images), images.shape[1], size, size], align_corners=False)
    found = F.grid_sample(images.float(), grid, "bilinear", "border", align_corners=False)
    return found.round_().clamp_(0, 255).to(torch.uint8)
