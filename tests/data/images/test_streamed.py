"""Images that are decoded when they are needed: the same as those in memory, and only a few of them at a time."""

import gc
import threading
import weakref

import numpy as np
import pytest
import torch

from data.pictures import fill
from longtail.data import ResidentImages, Samples, StreamedImages, image_loader, read_data
from longtail.data.ahead import BATCHES_AHEAD
from longtail.data.images.streamed import BATCH
from longtail.training.epochs import augmentation

NUMBER, SIZE = 150, 12
MOMENTS = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
AUGMENT = augmentation(("crop", "flip", "auto_augment", "cutout"), 3)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (NUMBER, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def splits(pixels):
    """The same pixels streamed and in memory."""
    target = torch.arange(NUMBER) % 7
    streamed = StreamedImages(lambda index: pixels[index].copy(), target, *MOMENTS, torch.channels_last)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    return streamed, ResidentImages(images, target, *MOMENTS, torch.channels_last)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batches(split, parts, augment=None, seed=0, order=None):
    order = torch.randperm(NUMBER, generator=seeded(1)) if order is None else order
    return list(split.batches(order, parts, augment=augment, generator=seeded(seed), each_once=True))


def in_parts(size, first=0):
    return [slice(start, start + size) for start in range(first, NUMBER - size + 1, size)]


@pytest.mark.slow
def test_a_part_of_an_augmented_copy_is_augmented_as_in_the_copy(splits):
    copy, indices = splits[0].augmented(AUGMENT, seeded()), torch.tensor([140, 3, 77])
    whole, part = torch.cat(list(copy.in_order())), copy.take(indices)
    assert torch.equal(torch.cat(list(part.in_order())), whole[indices])
    assert torch.equal(torch.cat(list(part.take(torch.tensor([2, 0])).in_order())), whole[[77, 140]])
    again = part.augmented(AUGMENT, seeded())
    assert not torch.equal(torch.cat(list(again.in_order())), whole[indices])  # a copy of its own


def test_it_gives_what_images_in_memory_give(splits):
    streamed, resident = splits
    assert len(streamed) == len(resident) == NUMBER
    inputs = [torch.cat(list(split.in_order())) for split in splits]
    assert torch.equal(*inputs)
    assert next(iter(streamed.in_order())).is_contiguous(memory_format=torch.channels_last)
    for ours, theirs in zip(*(batches(split, in_parts(16)) for split in splits), strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
        assert ours[0].is_contiguous(memory_format=torch.channels_last)
    shown = [split.pictures(np.array([5, 2])) for split in splits]
    assert all((a == b).all() for a, b in zip(*shown, strict=True))


@pytest.mark.slow
def test_a_later_step_of_an_epoch_sees_what_the_whole_epoch_saw(splits):
    streamed, _ = splits
    whole = batches(streamed, in_parts(16), AUGMENT)
    rest = batches(streamed, in_parts(16, first=48), AUGMENT)
    assert len(rest) == len(whole) - 3
    for (ours, _), (theirs, _) in zip(rest, whole[3:], strict=True):
        assert torch.equal(ours, theirs)
    other = batches(streamed, in_parts(16), AUGMENT, seed=1)
    assert not torch.equal(other[0][0], whole[0][0])


@pytest.mark.slow
def test_the_shares_of_several_processes_are_the_batch_of_one(splits):
    streamed, _ = splits
    whole = batches(streamed, in_parts(16), AUGMENT)
    shares = [
        batches(streamed, [slice(p.start + 8 * r, p.start + 8 * r + 8) for p in in_parts(16)], AUGMENT) for r in (0, 1)
    ]
    for (images, target), *own in zip(whole, *shares, strict=True):
        assert torch.equal(torch.cat([share[0] for share in own]), images)
        assert torch.equal(torch.cat([share[1] for share in own]), target)


@pytest.mark.slow
def test_an_image_that_is_drawn_twice_is_augmented_twice(splits):
    streamed, _ = splits
    (images, _), *_ = batches(streamed, in_parts(16), AUGMENT, order=torch.full((NUMBER,), 3))
    assert len(torch.unique(images.flatten(1), dim=0)) > 10


@pytest.mark.slow
def test_an_augmented_copy_keeps_its_draws(splits):
    streamed, _ = splits
    copy = streamed.augmented(AUGMENT, seeded(3))
    once, again = (torch.cat(list(copy.in_order())) for _ in range(2))
    assert torch.equal(once, again)
    plain = torch.cat(list(streamed.in_order()))
    assert (once != plain).flatten(1).any(1).float().mean() > 0.9
    other = torch.cat(list(streamed.augmented(AUGMENT, seeded(4)).in_order()))
    assert not torch.equal(once, other)
    order = torch.arange(NUMBER)
    (trained_on, _), *_ = batches(copy, [slice(0, NUMBER)], order=order)
    assert torch.equal(trained_on, once)


def test_an_empty_split_is_no_error(splits):
    streamed, _ = splits
    nothing = StreamedImages(streamed.load, torch.zeros(0, dtype=torch.int64), *MOMENTS, torch.contiguous_format)
    assert list(nothing.in_order()) == []


class Counted:
    """Images by index; counts those that were decoded and those that still exist."""

    def __init__(self):
        self.decoded, self.most, self.alive = 0, 0, 0
        self.lock = threading.Lock()

    def __call__(self, index):
        image = np.full((8, 8, 3), index % 256, dtype=np.uint8)
        with self.lock:
            self.decoded += 1
            self.alive += 1
            self.most = max(self.most, self.alive)
        weakref.finalize(image, self.gone)
        return image

    def gone(self):
        self.alive -= 1


@pytest.mark.slow
def test_only_a_few_batches_are_in_memory():
    load, number = Counted(), 2000
    split = StreamedImages(load, torch.zeros(number, dtype=torch.int64), *MOMENTS, torch.contiguous_format)
    seen = 0
    for images in split.in_order():
        seen += len(images)
        assert load.decoded - seen <= BATCHES_AHEAD * BATCH
    gc.collect()
    assert (seen, load.decoded) == (number, number)
    assert load.most <= (BATCHES_AHEAD + 2) * BATCH
    assert load.alive <= BATCH


def test_pending_images_are_cancelled_when_the_reader_stops_early():
    load = Counted()
    split = StreamedImages(load, torch.zeros(2000, dtype=torch.int64), *MOMENTS, torch.contiguous_format)
    threads = threading.active_count()
    stream = split.in_order()
    next(stream)
    stream.close()
    decoded = load.decoded
    assert decoded <= (BATCHES_AHEAD + 1) * BATCH
    assert threading.active_count() == threads
    assert load.decoded == decoded


def test_a_file_that_vanished_is_named(tmp_path):
    fill(tmp_path, {"a": 2, "b": 2})
    samples = read_data(tmp_path).train
    target = torch.from_numpy(samples.target)
    split = StreamedImages(image_loader(samples, 8, 1.0), target, *MOMENTS, torch.contiguous_format)
    assert torch.cat(list(split.in_order())).shape == (4, 3, 8, 8)
    (tmp_path / "b/1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"b/1.png must be an image file. It is missing."):
        list(split.in_order())
    (tmp_path / "b/1.png").write_bytes(b"noise")
    with pytest.raises(ValueError, match=r"b/1.png must be a whole image file"):
        list(split.in_order())


def test_the_centre_is_cut_from_the_resized_image():
    image = np.zeros((1, 20, 40, 3), dtype=np.uint8)
    image[:, :, :20] = 200
    load = image_loader(Samples(np.zeros(1, dtype=np.int64), ("a",), images=image), 8, 0.5)
    cut = load(0)
    assert cut.shape == (8, 8, 3)
    assert (cut[:, :2] > 150).all()
    assert (cut[:, 6:] < 50).all()
