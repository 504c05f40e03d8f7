"""Image operations on whole batches, each image with its own magnitude, on the device that holds them.

They do to every image what torchvision's functions do to one (uint8 tensors, nearest interpolation, black fill), with
the same arithmetic, so that results agree to the last bit. Images are (N, 3, H, W) uint8, magnitudes (N,) float32.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.autocast import without_autocast


def shear_x(images: Tensor, magnitude: Tensor) -> Tensor:
    """Shift each row in proportion to its distance from the top edge; the top left corner stays."""
    return _warp(images, _about_the_corner(images, magnitude, torch.zeros_like(magnitude)))


def shear_y(images: Tensor, magnitude: Tensor) -> Tensor:
    """Shift each column in proportion to its distance from the left edge; the top left corner stays."""
    return _warp(images, _about_the_corner(images, torch.zeros_like(magnitude), magnitude))


def translate_x(images: Tensor, magnitude: Tensor) -> Tensor:
    """Move to the right by whole pixels (magnitudes are cut to integers)."""
    return _warp(images, _matrix(images, offset_x=-magnitude.trunc()))


def translate_y(images: Tensor, magnitude: Tensor) -> Tensor:
    """Move down by whole pixels (magnitudes are cut to integers)."""
    return _warp(images, _matrix(images, offset_y=-magnitude.trunc()))


def rotate(images: Tensor, magnitude: Tensor) -> Tensor:
    """Rotate counter-clockwise about the centre by degrees."""
    angle = torch.deg2rad(magnitude.double())
    cos, sin = angle.cos(), angle.sin()
    return _warp(images, _matrix(images, xx=cos, xy=-sin, yx=sin, yy=cos))


def brightness(images: Tensor, magnitude: Tensor) -> Tensor:
    """Blend with black; 0 changes nothing, −1 is black."""
    return _blend(images, images.new_zeros(()), magnitude)


def color(images: Tensor, magnitude: Tensor) -> Tensor:
    """Blend with the grey image; 0 changes nothing, −1 is grey."""
    return _blend(images, _grey(images), magnitude)


def contrast(images: Tensor, magnitude: Tensor) -> Tensor:
    """Blend with the mean grey; 0 changes nothing, −1 is one flat grey."""
    return _blend(images, _grey(images).float().mean((1, 2, 3), keepdim=True), magnitude)


def sharpness(images: Tensor, magnitude: Tensor) -> Tensor:
    """Blend with a blurred image (its border is not blurred); 0 changes nothing."""
    # Weights 1 around a 5, over 13: sums of integers, whose thirteenths never lie half-way between two integers.
    wide = images.short()
    rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * wide[:, :, 1:-1, 1:-1]
    blurred = images.clone()
    blurred[:, :, 1:-1, 1:-1] = (total.float() / 13).round_().to(torch.uint8)
    return _blend(images, blurred, magnitude)


def posterize(images: Tensor, magnitude: Tensor) -> Tensor:
    """Keep the highest bits, as many as the magnitude says."""
    mask = (256 - 2 ** (8 - magnitude.long())).to(torch.uint8)
    return images & mask[:, None, None, None]


def solarize(images: Tensor, magnitude: Tensor) -> Tensor:
    """Invert the values from the magnitude upwards."""
    return torch.where(images >= magnitude[:, None, None, None], 255 - images, images)


def auto_contrast(images: Tensor, magnitude: Tensor) -> Tensor:
    """Stretch each channel to the whole range; flat channels stay. The magnitude is not used."""
    lowest, highest = (values.float() for values in (images.amin((2, 3), True), images.amax((2, 3), True)))
    scale = 255 / (highest - lowest)
    flat = ~scale.isfinite()
    lowest, scale = lowest.masked_fill(flat, 0), scale.masked_fill(flat, 1)
    return ((images - lowest) * scale).clamp_(0, 255).to(torch.uint8)


def equalize(images: Tensor, magnitude: Tensor) -> Tensor:
    """Flatten the histogram of each channel. The magnitude is not used."""
    pixels = images.flatten(0, 1).flatten(1).long()
    channels = len(pixels)
    offset = 256 * torch.arange(channels, device=images.device)[:, None]
    histogram = torch.bincount((pixels + offset).flatten(), minlength=256 * channels).view(channels, 256)
    brightest = histogram.gather(1, pixels.amax(1, keepdim=True))
    step = (pixels.shape[1] - brightest) // 255
    table = (histogram.cumsum(1) + step // 2) // step.clamp(min=1)
    table = F.pad(table[:, :-1], (1, 0)).clamp_(0, 255)
    table = torch.where(step == 0, torch.arange(256, device=images.device), table)
    return table.gather(1, pixels).to(torch.uint8).view_as(images)


def invert(images: Tensor, magnitude: Tensor) -> Tensor:
    """255 − value. The magnitude is not used."""
    return 255 - images


def _blend(images: Tensor, other: Tensor, magnitude: Tensor) -> Tensor:
    factor = (1 + magnitude.double())[:, None, None, None]
    own, others = factor.float(), (1 - factor).float()
    return (own * images + others * other).clamp_(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    red, green, blue = images.float().unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(torch.uint8)[:, None]


def _matrix(images: Tensor, *, xx=1.0, xy=0.0, yx=0.0, yy=1.0, offset_x=0.0, offset_y=0.0) -> Tensor:  # type: ignore[no-untyped-def]
    """(N, 2, 3) float32: where each pixel of the result comes from, in pixels from the centre."""
    entries = [
        torch.as_tensor(entry, device=images.device).expand(len(images))
        for entry in (xx, xy, offset_x, yx, yy, offset_y)
    ]
    return torch.stack([entry.to(torch.float32) for entry in entries], dim=1).view(-1, 2, 3)


def _about_the_corner(images: Tensor, shear_x: Tensor, shear_y: Tensor) -> Tensor:
    height, width = images.shape[2:]
    x, y = shear_x.double(), shear_y.double()
    return _matrix(images, xy=x, yx=y, offset_x=x * height / 2, offset_y=y * width / 2)


def _warp(images: Tensor, matrix: Tensor) -> Tensor:
    height, width = images.shape[2:]
    grid = torch.ones(height, width, 3, device=images.device)
    grid[..., 0] = torch.linspace(-width * 0.5 + 0.5, width * 0.5 - 0.5, width, device=images.device)
    grid[..., 1] = torch.linspace(-height * 0.5 + 0.5, height * 0.5 - 0.5, height, device=images.device)[:, None]
    half = torch.tensor([0.5 * width, 0.5 * height], device=images.device)
    with without_autocast(images.device.type):  # bfloat16 does not tell pixels apart
        where = grid.view(1, -1, 3).expand(len(images), -1, -1).bmm(matrix.transpose(1, 2) / half)
    where = where.view(len(images), height, width, 2)
    return F.grid_sample(images.float(), where, "nearest", "zeros", align_corners=False).to(torch.uint8)
