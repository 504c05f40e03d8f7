"""Training images from their files: the transforms of torchvision and timm, drawn by a seed."""

import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, v2

from data.pictures import save
from longtail.data.images.decoding import BadImageError, decode_crop
from longtail.data.images.file_augmentation import (
    POLICIES,
    RATIO,
    SCALE,
    TrainingImage,
    kept_generators,
    seed_generators,
)

INSIDE = (
    slice(3, -3),
    slice(3, -3),
)  # at its edges the filter reads the pixels around the part, which torchvision cuts off
EVERY = ["none", "light", *POLICIES]


def smooth(size):
    """An image without detail, so that it looks the same at every resolution; red to the right, green downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 128)], axis=2).astype(np.uint8))


@pytest.fixture
def file(tmp_path):
    return str(save(tmp_path / "a.png", size=(60, 40)))


@pytest.mark.parametrize("seed", range(6))
def test_light_is_torchvision_s_random_resized_crop_and_a_flip(file, seed):
    seed_generators(seed)
    crop = v2.RandomResizedCrop(16, scale=SCALE, ratio=RATIO, interpolation=InterpolationMode.BICUBIC)
    expected = np.array(crop(Image.open(file)))
    found = TrainingImage("light", 16, 16)(file, seed)
    found, expected = found[INSIDE], expected[INSIDE]
    assert (found == expected).all() or (found == expected[:, ::-1]).all()


@pytest.mark.parametrize(("augment", "least"), [("light", 0.35), ("imagenet", 0.08), ("randaugment-n2-m10", 0.08)])
def test_the_share_of_the_area_that_a_crop_keeps(file, augment, least, monkeypatch):
    boxes = []

    def decode(path, choose, size, interpolation):
        boxes.append(choose(200, 200))
        return decode_crop(path, lambda *_: (0, 0, 40, 40), size, interpolation)

    monkeypatch.setattr("longtail.data.images.file_augmentation.decode_crop", decode)
    for seed in range(200):
        TrainingImage(augment, 16, 16)(file, seed)
    smallest = min(width * height / 200**2 for _, _, width, height in boxes)
    assert 0.9 * least < smallest < least + 0.1


def test_about_half_the_images_are_flipped(tmp_path):
    smooth((60, 60)).save(tmp_path / "a.png")
    draw = TrainingImage("light", 16, 16)
    to_the_right = [
        np.diff(draw(str(tmp_path / "a.png"), seed)[:, :, 0].mean(0).astype(float)).mean() for seed in range(60)
    ]
    assert 18 < sum(slope > 0 for slope in to_the_right) < 42


@pytest.mark.parametrize("augment", EVERY)
def test_an_image_depends_on_its_seed_alone(file, augment):
    draw = TrainingImage(augment, 16, 18)
    first = draw(file, 5)
    draw(file, 6)
    random.random()
    torch.rand(3)
    assert (draw(file, 5) == first).all()
    assert (draw(Image.open(file), 5) == first).all()
    assert first.shape == (16, 16, 3)
    assert first.dtype == np.uint8
    others = np.stack([draw(file, seed) for seed in range(20)])
    assert (len(np.unique(others.reshape(20, -1), axis=0)) > 15) == (augment != "none")


@pytest.mark.parametrize("augment", list(POLICIES))
def test_more_is_done_after_the_crop_and_the_flip(file, augment):
    light, more = (np.stack([TrainingImage(name, 16, 16)(file, s) for s in range(20)]) for name in ("light", augment))
    assert (light != more).reshape(20, -1).any(1).sum() > 10


def test_draws_do_not_change_global_generators(file):
    def state():
        return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002

    before = state()
    with kept_generators():
        TrainingImage("randaugment", 16, 16)(file, 3)
        assert state() != before
    assert state() == before


def test_a_jpeg_is_decoded_no_larger_than_its_part_needs(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    smooth((400, 320)).save(path, quality=95)
    sizes = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, *a, **k: (sizes.append(self.size), resize(self, *a, **k))[1]
    )
    box = (80, 40, 240, 200)
    found = np.array(decode_crop(path, lambda *_: box, 40)).astype(float)
    assert sizes == [(100, 80)]  # 200 / 40 = 5, of which JPEG takes 4
    whole = Image.open(path).resize((40, 40), Image.Resampling.BICUBIC, box=(80, 40, 320, 240))
    assert np.abs(found - np.array(whole)).max() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_part_is_one_of_the_image_as_a_viewer_shows_it(tmp_path, orientation):
    image = smooth((64, 48))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    seen = []
    found = decode_crop(tmp_path / "a.png", lambda *size: seen.append(size) or (4, 8, 24, 30), 12)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))
    assert seen == [upright.size]
    expected = upright.crop((4, 8, 28, 38)).resize((12, 12), Image.Resampling.BICUBIC)
    assert (np.array(found)[INSIDE] == np.array(expected)[INSIDE]).all()


def test_a_file_that_is_not_an_image_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"noise")
    with pytest.raises(BadImageError, match=r"a.jpg must be a whole image file"):
        TrainingImage("light", 8, 8)(str(tmp_path / "a.jpg"), 0)
    with pytest.raises(FileNotFoundError, match=r"b.jpg must be an image file. It is missing"):
        TrainingImage("light", 8, 8)(str(tmp_path / "b.jpg"), 0)


@pytest.mark.parametrize("augment", ["randaugment", "randaugment-n2-m10"])
def test_randaugment_at_its_highest_level_leaves_a_bit_to_each_pixel(monkeypatch, tmp_path, augment):
    file = save(tmp_path / "a.png", size=(40, 30))
    draw = TrainingImage(augment, size=16, shorter=16)
    monkeypatch.setattr("random.gauss", lambda *_: 10.0)  # above the highest level but for its cap
    assert all(draw(str(file), seed).shape == (16, 16, 3) for seed in range(150))
