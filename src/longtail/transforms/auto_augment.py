"""AutoAugment's CIFAR-10 policy (Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", CVPR 2019).

25 sub-policies of two operations, each with a probability and a magnitude out of ten. The values are torchvision's.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from longtail.transforms import operations

Operation = Callable[[Tensor, Tensor], Tensor]

CIFAR10_POLICY: tuple[tuple[tuple[str, float, int], tuple[str, float, int]], ...] = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("auto_contrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("auto_contrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("color", 0.9, 9), ("equalize", 0.6, 0)),
    (("auto_contrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("auto_contrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("auto_contrast", 0.9, 0)),
)
SIGNED = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color", "contrast", "sharpness")
OPERATIONS = tuple(sorted({name for pair in CIFAR10_POLICY for name, _, _ in pair}))


class Draws(NamedTuple):
    """For each image: its sub-policy (N,), and for each of the two places whether it is used and its sign, (N, 2)."""

    policy: Tensor
    uniform: Tensor
    positive: Tensor


def auto_augment(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Apply the policy, with a sub-policy drawn for each image.

    Args:
        images: (N, 3, H, W) uint8.
        generator: of the device of the images.

    Returns:
        A new tensor of the same kind.

    Raises:
        ValueError: other images than coloured ones of bytes.

    Example:
        >>> images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
        >>> auto_augment(images, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 32, 32])
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"`images` must be (N, 3, H, W) uint8. Got {tuple(images.shape)} {images.dtype}.")
    return apply_draws(images, draw(len(images), images.device, generator))


def draw(number: int, device: torch.device, generator: torch.Generator | None = None) -> Draws:
    """Draw what happens to each of `number` images."""
    return Draws(
        torch.randint(len(CIFAR10_POLICY), (number,), device=device, generator=generator),
        torch.rand((number, 2), device=device, generator=generator),
        torch.rand((number, 2), device=device, generator=generator) < 0.5,
    )


def apply_draws(images: Tensor, draws: Draws) -> Tensor:
    """Apply what was drawn: at each of the two places, every operation once, to the images that want it."""
    kinds, probabilities, magnitudes = (table.to(images.device)[draws.policy] for table in _tables(*images.shape[2:]))
    images = images.clone()
    for place in range(2):
        used = draws.uniform[:, place] <= probabilities[:, place]
        for kind, name in enumerate(OPERATIONS):
            chosen = (used & (kinds[:, place] == kind)).nonzero().squeeze(1)
            if len(chosen):
                magnitude = magnitudes[chosen, place]
                if name in SIGNED:
                    magnitude = torch.where(draws.positive[chosen, place], magnitude, -magnitude)
                images[chosen] = getattr(operations, name)(images[chosen], magnitude)
    return images


def magnitude_of(name: str, level: int, height: int, width: int) -> float:
    """The magnitude of an operation at a level from 0 to 9, without its sign."""
    largest = {
        "shear_x": 0.3,
        "shear_y": 0.3,
        "translate_x": 150.0 / 331.0 * width,
        "translate_y": 150.0 / 331.0 * height,
        "rotate": 30.0,
    }.get(name, 0.9)
    if name == "posterize":
        return 8.0 - round(level / (9 / 4))
    if name == "solarize":
        return float(torch.linspace(255.0, 0.0, 10)[level])
    return float(torch.linspace(0.0, largest, 10)[level])


def _tables(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Operation, probability and magnitude of each place of each sub-policy, (25, 2)."""
    return (
        torch.tensor([[OPERATIONS.index(name) for name, _, _ in pair] for pair in CIFAR10_POLICY]),
        torch.tensor([[probability for _, probability, _ in pair] for pair in CIFAR10_POLICY]),
        torch.tensor(
            [[magnitude_of(name, level, height, width) for name, _, level in pair] for pair in CIFAR10_POLICY]
        ),
    )
