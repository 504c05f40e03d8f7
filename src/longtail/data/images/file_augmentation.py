"""Augmentation of image files as they are decoded, with transforms of torchvision and timm.

The result depends on the file and a seed alone: all generators that transforms draw from are seeded for each image, so
that it does not matter which process decodes it, or after which other image.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from longtail.data.images.decoding import Box, as_image, decode, decode_crop, resize_crop, resized
from longtail.data.images.image_bytes import ImageBytes

if TYPE_CHECKING:
    from PIL import Image

SCALE, RATIO = (0.35, 1.0), (3 / 4, 4 / 3)
"""Ranges of the crop: share of the image's area, and aspect ratio."""
SCALES = {"imagenet": (0.08, 1.0), "randaugment-n2-m10": (0.08, 1.0)}
"""The share of the area where it is another, as in the papers on ImageNet-LT."""
FLIPPED = 0.5
POLICIES: dict[str, Callable[[int], Callable[["Image.Image"], "Image.Image"]]] = {
    "randaugment": lambda size: _rand_augment(size, "rand-m9-mstd0.5-inc1"),
    "randaugment-n2-m10": lambda size: _rand_augment(size, "rand-m10-n2"),
    "trivial": lambda _: _trivial_augment(),
    "imagenet": lambda _: _colour_jitter(),
}
"""The policy that follows the crop and the flip, made for an image size."""


@dataclass(frozen=True)
class TrainingImage:
    """Makes a training image from its source (a path, an image in memory, or the bytes of one) and a seed.

    Attributes:
        augment: "none" (as in evaluation), "light" (random resized crop and flip), "randaugment" or "trivial" (these,
            then RandAugment of timm or TrivialAugment of torchvision), "imagenet" (a crop of 8 % of the area or more,
            flip and colour jitter) or "randaugment-n2-m10" (that crop, flip, and RandAugment of two operations).
        size: height and width in pixels.
        shorter: for "none", the shorter side of the image in pixels before the centre crop.
        interpolation: of resizing.

    Example:
        >>> from PIL import Image
        >>> TrainingImage("light", size=8, shorter=8)(Image.new("RGB", (20, 10), "red"), seed=3).shape
        (8, 8, 3)
    """

    augment: str
    size: int
    shorter: int
    interpolation: str = "bicubic"

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that it imports; workers are forked from a process that has imported them."""
        of_timm = ("timm.data.auto_augment",) if self.augment.startswith("randaugment") else ()
        return ("torchvision.transforms.v2", *of_timm)

    def __call__(self, source: Any, seed: int) -> np.ndarray:
        """The image, (size, size, 3) uint8; raises as `decode` does."""
        if self.augment == "none":
            return centre_crop(source, self.shorter, self.size, self.interpolation)
        seed_generators(seed)
        image = _crop(source, partial(_random_box, SCALES.get(self.augment, SCALE)), self.size, self.interpolation)
        if random.random() < FLIPPED:
            image = image.transpose(_left_to_right())
        if self.augment in POLICIES:
            image = _policy(self.augment, self.size)(image)
        return np.array(image)


@dataclass(frozen=True)
class CentreSquare:
    """Makes an image that is augmented later, on the device: the largest square in the middle, resized.

    Attributes:
        size: height and width in pixels.
        interpolation: of resizing.

    Example:
        >>> from PIL import Image
        >>> CentreSquare(8)(Image.new("RGB", (20, 10), "red"), seed=3).shape
        (8, 8, 3)
    """

    size: int
    interpolation: str = "bicubic"

    def __call__(self, source: Any, seed: int) -> np.ndarray:
        """The image, (size, size, 3) uint8, whatever the seed; raises as `decode` does."""
        return np.array(_crop(source, _centre_box, self.size, self.interpolation))


def _crop(source: Any, choose: Callable[[int, int], Box], size: int, interpolation: str) -> "Image.Image":
    """A part of an image file, or of an image in memory, as a square."""
    if isinstance(source, (str, ImageBytes)):
        return decode_crop(source, choose, size, interpolation)
    return resize_crop(as_image(source), choose, size, interpolation)


def _centre_box(width: int, height: int) -> Box:
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side, side


def centre_crop(source: Any, shorter: int, size: int, interpolation: str) -> np.ndarray:
    """The image as evaluation takes it, (size, size, 3) uint8: the shorter side is resized, then the centre cut out."""
    if isinstance(source, (str, ImageBytes)):
        image = decode(source, shorter, interpolation)
    else:
        image = resized(as_image(source), shorter, interpolation)
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]


def seed_generators(seed: int) -> None:
    """Seed the global generators that transforms draw from, of PyTorch (on the CPU), Python and numpy."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - timm's transforms draw from it


@contextmanager
def kept_generators() -> Iterator[None]:
    """Restore the generators of `seed_generators` after the block."""
    kept = torch.default_generator.get_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.default_generator.set_state(kept[0])
        random.setstate(kept[1])
        np.random.set_state(kept[2])  # noqa: NPY002


def _random_box(scale: tuple[float, float], width: int, height: int) -> Box:
    """Left, top, width and height of a random resized crop, in pixels, as torchvision draws it."""
    drawn = _resized_crop(scale).make_params([torch.empty(1, height, width, device="meta")])
    return drawn["left"], drawn["top"], drawn["width"], drawn["height"]


@cache
def _resized_crop(scale: tuple[float, float]) -> Any:
    from torchvision.transforms import v2

    return v2.RandomResizedCrop(1, scale=scale, ratio=RATIO)


@cache
def _policy(name: str, size: int) -> Callable[["Image.Image"], "Image.Image"]:
    return POLICIES[name](size)


def _rand_augment(size: int, policy: str) -> Callable[["Image.Image"], "Image.Image"]:
    from timm.data.auto_augment import rand_augment_transform

    change: Callable[[Image.Image], Image.Image] = rand_augment_transform(
        policy, {"translate_const": int(0.45 * size), "img_mean": (124, 116, 104)}
    )
    for operation in change.ops:  # type: ignore[attr-defined]
        if operation.name.startswith("Posterize"):
            operation.level_fn = _bits_left(operation.level_fn)
    return change


def _bits_left(drawn: Callable[..., tuple[int, ...]]) -> Callable[..., tuple[int, ...]]:
    """At least one bit: at its highest level timm leaves none, which Pillow refuses."""

    def bits(level: float, settings: Any) -> tuple[int, ...]:
        return (max(1, drawn(level, settings)[0]),)

    return bits


def _trivial_augment() -> Callable[["Image.Image"], "Image.Image"]:
    from torchvision.transforms import v2

    change: Callable[[Image.Image], Image.Image] = v2.TrivialAugmentWide()
    return change


def _colour_jitter() -> Callable[["Image.Image"], "Image.Image"]:
    """Brightness, contrast and saturation between 0.6 and 1.4 times their value (Kang et al., ICLR 2020)."""
    from torchvision.transforms import v2

    change: Callable[[Image.Image], Image.Image] = v2.ColorJitter(0.4, 0.4, 0.4)
    return change


def _left_to_right() -> "Image.Transpose":
    from PIL import Image

    return Image.Transpose.FLIP_LEFT_RIGHT
