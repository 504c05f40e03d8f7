import pytest
import torch

from longtail.transforms import auto_augment, cutout, normalise, random_crop, random_flip


@pytest.mark.parametrize("transform", [auto_augment, cutout, random_crop, random_flip])
def test_one_image_is_no_batch(transform):
    with pytest.raises(ValueError, match=r"`images` must have the shape \(N, .*Got \(3, 8, 8\). For one image, pass"):
        transform(torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_grey_images_have_no_colours_to_augment():
    """The operations on colours are drawn: without a check some batches would be taken."""
    with pytest.raises(ValueError, match=r"`images` must have the shape \(N, 3, H, W\). Got \(4, 1, 8, 8\)"):
        auto_augment(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("transform", [auto_augment, lambda images: normalise(images, [0.5], [0.5])])
def test_bytes_are_no_other_numbers(transform):
    with pytest.raises(TypeError, match="`images` must be uint8, 0 to 255. Got torch.float32"):
        transform(torch.zeros(4, 3, 8, 8))


def test_arrays_are_no_tensors():
    with pytest.raises(TypeError, match="`images` must be a tensor. Got ndarray"):
        random_flip(torch.zeros(4, 3, 8, 8).numpy())
