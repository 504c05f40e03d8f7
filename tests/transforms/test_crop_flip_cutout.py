import pytest
import torch
from torch.nn import functional as F

from longtail.transforms import cutout, random_crop, random_flip


def images(number=200, dtype=torch.uint8):
    return torch.randint(1, 256, (number, 3, 12, 10), generator=torch.Generator().manual_seed(0)).to(dtype)


def test_a_crop_is_a_window_of_the_padded_image_and_every_window_comes():
    batch = images(1).expand(4000, -1, -1, -1)
    cropped = random_crop(batch, 2, torch.Generator().manual_seed(1))
    padded = F.pad(batch[0], (2, 2, 2, 2))
    windows = torch.stack([padded[:, y : y + 12, x : x + 10] for y in range(5) for x in range(5)])
    which = (cropped[:, None] == windows[None]).flatten(2).all(2)
    assert (which.sum(1) == 1).all()
    share = which.float().mean(0)
    assert (share - 1 / 25).abs().max() < 4 * (0.04 * 0.96 / 4000) ** 0.5
    assert torch.equal(random_crop(images(), 0), images())


def test_half_of_the_images_are_mirrored():
    batch = images(4000)
    flipped = random_flip(batch, torch.Generator().manual_seed(1))
    mirrored = (flipped == batch.flip(3)).flatten(1).all(1)
    assert ((flipped == batch).flatten(1).all(1) ^ mirrored).all()
    assert abs(mirrored.float().mean().item() - 0.5) < 4 * 0.5 / 4000**0.5


@pytest.mark.parametrize("size", [4, 5, 30])
def test_cutout_blackens_a_square_around_a_pixel_clipped_at_the_edges(size):
    batch = images(3000)
    cut = cutout(batch, size, torch.Generator().manual_seed(1))
    hole = (cut == 0).all(1)
    assert torch.equal(cut, batch * ~hole[:, None])
    rows, columns = hole.any(2), hole.any(1)
    assert torch.equal(hole, rows[:, :, None] & columns[:, None, :])
    for covered, length in ((rows, 12), (columns, 10)):
        first, count = covered.float().argmax(1), covered.sum(1)
        positions = torch.arange(length)
        contiguous = (positions >= first[:, None]) & (positions < (first + count)[:, None])
        assert torch.equal(contiguous, covered)
        assert count.max() == min(size, length)
        inner = (first > 0) & (first + count < length)
        assert (count[inner] == size).all()


def test_dtypes_seeds_and_inputs_are_kept():
    for transform in (random_crop, random_flip, cutout):
        for dtype in (torch.uint8, torch.float32):
            batch = images(dtype=dtype)
            before = batch.clone()
            first, second = (transform(batch, generator=torch.Generator().manual_seed(5)) for _ in range(2))
            assert first.dtype == dtype
            assert torch.equal(first, second)
            assert not torch.equal(first, transform(batch, generator=torch.Generator().manual_seed(6)))
            assert torch.equal(batch, before)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="`padding` must be at least 0. Got -1"):
        random_crop(images(), -1)
    with pytest.raises(TypeError, match="`size` must be an integer"):
        cutout(images(), 1.5)
