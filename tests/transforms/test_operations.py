"""Each operation against torchvision's, image by image, on the same magnitudes."""

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import _apply_op

from longtail.transforms import operations

NAMES = {
    "ShearX": operations.shear_x,
    "ShearY": operations.shear_y,
    "TranslateX": operations.translate_x,
    "TranslateY": operations.translate_y,
    "Rotate": operations.rotate,
    "Brightness": operations.brightness,
    "Color": operations.color,
    "Contrast": operations.contrast,
    "Sharpness": operations.sharpness,
    "Posterize": operations.posterize,
    "Solarize": operations.solarize,
    "AutoContrast": operations.auto_contrast,
    "Equalize": operations.equalize,
    "Invert": operations.invert,
}
GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
RANGES = {"Shear": 0.3, "Trans": 14.5, "Rotat": 30.0}


def images(number=64):
    """Noise, smooth gradients, flat and two-valued images."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (number, 3, 32, 32), generator=generator)
    ramp = torch.linspace(0, 255, 32).view(1, 1, 1, 32).expand(number, 3, 32, 32)
    noise[::4] = (0.3 * noise[::4] + 0.5 * ramp[::4]).long()
    noise[1::8] = 77
    noise[2::8] = (noise[2::8] > 128) * 200
    noise[3] = 0
    return noise.to(torch.uint8)


def magnitudes(name, number=64):
    if name == "Posterize":
        return torch.arange(number).remainder(5).add(4).float()
    if name == "Solarize":
        return torch.linspace(255, 0, number)
    largest = RANGES.get(name[:5], 0.9)
    return torch.linspace(-largest, largest, number)


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_torchvision(name):
    batch, strength = images(), magnitudes(name)
    want = torch.stack(
        [
            _apply_op(image, name, magnitude.item(), interpolation=InterpolationMode.NEAREST, fill=None)
            for image, magnitude in zip(batch, strength, strict=True)
        ]
    )
    got = NAMES[name](batch, strength)
    assert got.dtype == torch.uint8
    differing = (got != want).float().mean().item()
    assert differing == 0, f"{name}: {differing:.4%} of the pixels differ"


@pytest.mark.parametrize("name", NAMES)
def test_leaves_its_input_alone(name):
    batch = images()
    before = batch.clone()
    NAMES[name](batch, magnitudes(name))
    assert torch.equal(batch, before)


@pytest.mark.parametrize("name", NAMES)
def test_images_do_not_see_each_other(name):
    batch, strength = images(), magnitudes(name)
    alone = torch.cat([NAMES[name](batch[i : i + 1], strength[i : i + 1]) for i in range(len(batch))])
    assert torch.equal(NAMES[name](batch, strength), alone)


def test_autocast_does_not_move_pixels():
    angles = torch.linspace(-30, 30, 64)
    expected = operations.rotate(images(), angles)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(operations.rotate(images(), angles), expected)
