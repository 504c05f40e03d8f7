"""Random crop, horizontal flip and Cutout on whole batches, (N, C, H, W) of any dtype, on the device of the images."""

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import check_integer
from longtail.transforms.image_batches import check_images


def random_crop(images: Tensor, padding: int = 4, generator: torch.Generator | None = None) -> Tensor:
    """Pad each image with black on all sides and cut a random window of its former size.

    Example:
        >>> random_crop(torch.ones(2, 3, 8, 8), padding=2).shape
        torch.Size([2, 3, 8, 8])
    """
    check_images(images)
    check_integer("padding", padding, minimum=0)
    number, _, height, width = images.shape
    offset = torch.randint(2 * padding + 1, (2, number, 1), device=images.device, generator=generator)
    rows = offset[0] + torch.arange(height, device=images.device)
    columns = offset[1] + torch.arange(width, device=images.device)
    padded = F.pad(images, (padding, padding, padding, padding))
    which = torch.arange(number, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def random_flip(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Mirror each image left to right with probability ½.

    Example:
        >>> random_flip(torch.ones(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """
    check_images(images)
    flipped = torch.rand(len(images), device=images.device, generator=generator) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


def cutout(images: Tensor, size: int = 16, generator: torch.Generator | None = None) -> Tensor:
    """Black out a square around a random pixel of each image; what reaches over the edge is lost.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.

    Example:
        >>> (cutout(torch.ones(2, 3, 8, 8), size=4) == 0).any().item()
        True
    """
    check_images(images)
    check_integer("size", size, minimum=0)
    number, _, height, width = images.shape
    hole = torch.ones((), dtype=torch.bool, device=images.device)
    for length, dim in ((height, 2), (width, 3)):
        centre = torch.randint(length, (number, 1), device=images.device, generator=generator)
        distance = torch.arange(length, device=images.device) - centre
        inside = (distance >= -(size // 2)) & (distance < size - size // 2)
        hole = hole & inside.view(number, 1, *((length, 1) if dim == 2 else (1, length)))
    return images.masked_fill(hole, 0)
