from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import auto_augment as theirs

from longtail.transforms.rand_augment import MAGNITUDES, colour_jitter, rand_augment, solarize_add

IMAGES = torch.randint(0, 256, (8, 3, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SAME_PIXELS = {"invert", "posterize", "solarize_add", "equalize", "auto_contrast", "color", "brightness"}


def draws(name, applied=0.0, sign=0.0, number=8):
    kind = (list(MAGNITUDES).index(name) + 0.5) / len(MAGNITUDES)
    return torch.tensor([kind, applied, sign]).expand(number, 1, 3)


@pytest.mark.parametrize("name", MAGNITUDES)
def test_each_operation_is_drawn_applied_or_left_out(name):
    changed = rand_augment(IMAGES, draws(name))
    assert changed.dtype == torch.uint8
    assert torch.equal(rand_augment(IMAGES, draws(name, applied=0.7)), IMAGES)
    assert torch.equal(changed, IMAGES) == (name == "solarize")  # which spares all values at timm's level 10, too
    signed = name.startswith(("rotate", "shear", "translate"))
    assert torch.equal(rand_augment(IMAGES, draws(name, sign=0.7)), changed) != signed


@pytest.mark.parametrize("name", sorted(SAME_PIXELS))
def test_magnitudes_are_those_of_timm(name):
    timm_name = {"invert": "Invert", "posterize": "Posterize", "solarize_add": "SolarizeAdd", "equalize": "Equalize"}
    timm_name |= {"auto_contrast": "AutoContrast", "color": "Color", "brightness": "Brightness"}
    kind = timm_name[name]
    level = theirs.LEVEL_TO_ARG[kind]
    operation: Any = theirs.NAME_TO_OP[kind]
    arguments = () if level is None else level(10, {})
    for image, found in zip(IMAGES, rand_augment(IMAGES, draws(name)), strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        expected = np.array(operation(picture, *arguments)).astype(int)
        assert np.abs(found.permute(1, 2, 0).numpy() - expected).max() <= 1


def test_what_is_drawn_for_an_image_does_not_depend_on_its_batch():
    uniform = torch.rand(8, 2, 3, generator=torch.Generator().manual_seed(2))
    whole = rand_augment(IMAGES, uniform)
    assert torch.equal(torch.cat([rand_augment(IMAGES[i : i + 2], uniform[i : i + 2]) for i in range(0, 8, 2)]), whole)


def test_jitter_multiplies_by_what_is_drawn():
    darker = colour_jitter(IMAGES, torch.tensor([[0.0, 0.5, 0.5]]).expand(8, 3))
    assert (darker.float() - 0.6 * IMAGES.float()).abs().max() <= 1
    grey = torch.full((1, 3, 4, 4), 90, dtype=torch.uint8)
    changed = colour_jitter(grey, torch.tensor([[0.5, 0.9, 0.1]]))  # contrast and saturation of grey
    assert (changed.int() - grey.int()).abs().max() <= 1


def test_solarize_add_stops_at_white():
    image = torch.tensor([0, 100, 127, 128, 255], dtype=torch.uint8).view(1, 1, 1, 5)
    assert solarize_add(image, torch.tensor([130.0])).flatten().tolist() == [130, 230, 255, 128, 255]
