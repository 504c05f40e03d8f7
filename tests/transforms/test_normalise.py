"""From bytes to the input of a network."""

import math

import pytest
import torch

from longtail.transforms import normalise

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (1, 3, 1, 1), (3, 3, 1, 7), (0, 3, 4, 4)])
def test_the_memory_format_changes_no_bit_and_is_kept(shape):
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    last = images.contiguous(memory_format=torch.channels_last)
    plain, other = normalise(images, MEAN, STD), normalise(last, MEAN, STD)
    assert torch.equal(plain, other)
    assert other.stride() == last.stride()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    torch.testing.assert_close(plain, (images / 255 - mean) / std, rtol=1e-5, atol=1e-5)


def test_other_images_than_bytes_are_refused():
    with pytest.raises(TypeError, match="`images` must be uint8"):
        normalise(torch.zeros(1, 3, 2, 2), MEAN, STD)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (MEAN, (0.2, 0.0, 0.4), "`std` must be finite and greater than 0. Got .0.2, 0.0, 0.4."),
        (MEAN, (0.2, math.nan, 0.4), "`std` must be finite and greater than 0"),
        ((0.5, math.inf, 0.3), STD, "`mean` must be finite. Got"),
        (MEAN[:2], STD, "`mean` must hold 3 values, one for each channel. Got 2"),
    ],
)
def test_mean_and_standard_deviation_are_checked(mean, std, message):
    with pytest.raises(ValueError, match=message):
        normalise(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), mean, std)
