"""Crops of JPEG files that are resized by PyTorch: within rounding of Pillow's, whichever library decodes."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional

from data.large_set_files import photograph
from longtail.data.images.decoding import BadImageError, decode_crop
from longtail.data.images.jpeg_crop import stored_pixels

BOX = (30, 12, 90, 70)


@pytest.fixture
def path(tmp_path):
    return photograph(tmp_path / "a.jpg", 0, (160, 120))


def crop(path, interpolation="bilinear"):
    return np.array(decode_crop(path, lambda *_: BOX, 64, interpolation)).astype(int)


def by_pillow(path, interpolation):
    left, top, width, height = BOX
    part = Image.open(path).convert("RGB").crop((left, top, left + width, top + height))
    return np.array(part.resize((64, 64), getattr(Image.Resampling, interpolation.upper()))).astype(int)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_crop_is_that_of_torchvision_and_within_rounding_of_pillow(path, interpolation):
    left, top, width, height = BOX
    mode = functional.InterpolationMode(interpolation)
    pixels = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)
    expected = functional.resized_crop(pixels, top, left, height, width, [64, 64], mode, antialias=True)
    found = crop(path, interpolation)
    assert np.abs(found - expected.permute(1, 2, 0).numpy()).max() <= 1
    assert np.abs(found - by_pillow(path, interpolation)).max() <= 1


def test_simplejpeg_decodes_to_the_pixels_of_pillow(path, monkeypatch):
    pytest.importorskip("simplejpeg")
    decoded = []
    monkeypatch.setattr(Image.Image, "load", lambda self: decoded.append(self))
    with Image.open(path) as image:
        found = stored_pixels(image, path)
    assert not decoded
    monkeypatch.undo()
    assert (found == np.array(Image.open(path))).all()


@pytest.mark.parametrize("interpolation", ["lanczos", "nearest"])
def test_other_interpolations_are_those_of_pillow(path, interpolation):
    inside = (slice(4, -4), slice(4, -4))  # at its edges Pillow's part sees the pixels around it
    found, expected = crop(path, interpolation)[inside], by_pillow(path, interpolation)[inside]
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_camera_that_was_turned(path, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
    image = Image.open(path)
    stored = image if turned is None else image.transpose(turned)
    stored.save(tmp_path / "turned.jpg", quality=95, exif=exif)
    ImageOps.exif_transpose(Image.open(tmp_path / "turned.jpg")).save(tmp_path / "upright.png")
    difference = np.abs(crop(tmp_path / "turned.jpg") - by_pillow(tmp_path / "upright.png", "bilinear"))
    assert difference[4:-4, 4:-4].max() <= 1


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_printers_colours(path, tmp_path, mode):
    Image.open(path).convert(mode).save(tmp_path / "other.jpg", quality=95)
    difference = np.abs(crop(tmp_path / "other.jpg") - by_pillow(tmp_path / "other.jpg", "bilinear"))
    assert difference[4:-4, 4:-4].max() <= 1


def test_a_truncated_file_is_named(path):
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(BadImageError, match=r"a.jpg must be a whole image file. It can't be decoded: .*truncated"):
        crop(path)
