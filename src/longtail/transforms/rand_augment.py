"""RandAugment and colour jitter on whole batches, with separate draws for each image.

RandAugment (Cubuk et al., NeurIPS 2020) with the operations and magnitudes of timm's "rand-m10-n2", each applied with
probability ½. Its geometric operations fill with black and interpolate to the nearest pixel.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from longtail.transforms import operations

Operation = Callable[[Tensor, Tensor], Tensor]
ADDED = 110  # to the values below 128, at the highest magnitude
SIGNED = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
MAGNITUDES: dict[str, float] = {
    "auto_contrast": 0.0,
    "equalize": 0.0,
    "invert": 0.0,
    "rotate": 30.0,
    "posterize": 4.0,
    "solarize": 256.0,
    "solarize_add": float(ADDED),
    "color": 0.9,
    "contrast": 0.9,
    "brightness": 0.9,
    "sharpness": 0.9,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 0.45,
    "translate_y": 0.45,
}
"""At timm's level 10; translations as shares of the side."""


def rand_augment(images: Tensor, uniform: Tensor) -> Tensor:
    """Apply operations that are drawn for each image.

    Args:
        images: (N, 3, H, W) uint8.
        uniform: (N, K, 3) on the CPU, in [0, 1): for each of K places the operation, whether it is applied, its sign.

    Returns:
        A new tensor of the same kind.

    Example:
        >>> images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
        >>> rand_augment(images, torch.rand(4, 2, 3)).shape
        torch.Size([4, 3, 32, 32])
    """
    images = images.clone()
    kinds = (uniform[:, :, 0] * len(MAGNITUDES)).long()
    applied, positive = uniform[:, :, 1] < 0.5, uniform[:, :, 2] < 0.5
    for place in range(uniform.shape[1]):
        for kind, name in enumerate(MAGNITUDES):
            chosen = (applied[:, place] & (kinds[:, place] == kind)).nonzero().squeeze(1)
            if len(chosen):
                magnitude = _magnitude(name, positive[chosen, place], images.shape[3]).to(images.device)
                there = chosen.to(images.device)
                images[there] = _operation(name)(images[there], magnitude)
    return images


def colour_jitter(images: Tensor, uniform: Tensor, strength: float = 0.4) -> Tensor:
    """Multiply brightness, contrast and saturation, in this order, by values between 1 − strength and 1 + strength.

    Args:
        images: (N, 3, H, W) uint8.
        uniform: (N, 3), in [0, 1).
        strength: in [0, 1].

    Example:
        >>> images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
        >>> colour_jitter(images, torch.full((4, 3), 0.5)).equal(images)
        True
    """
    magnitudes = (strength * (2 * uniform - 1)).to(images.device).unbind(1)
    jitters = (operations.brightness, operations.contrast, operations.color)
    for operation, magnitude in zip(jitters, magnitudes, strict=True):
        images = operation(images, magnitude)
    return images


def solarize_add(images: Tensor, magnitude: Tensor) -> Tensor:
    """Add the magnitude to values below 128."""
    raised = (images.short() + magnitude.short()[:, None, None, None]).clamp_(max=255).to(torch.uint8)
    return torch.where(images < 128, raised, images)


def _operation(name: str) -> Operation:
    found: Operation = solarize_add if name == "solarize_add" else getattr(operations, name)
    return found


def _magnitude(name: str, positive: Tensor, side: int) -> Tensor:
    """(n,) float32 for the images that an operation is applied to."""
    value = MAGNITUDES[name] * (side if name.startswith("translate") else 1)
    magnitude = torch.full((len(positive),), value)
    return torch.where(positive, magnitude, -magnitude) if name in SIGNED else magnitude
