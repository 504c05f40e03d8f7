import dataclasses
import itertools

import pytest
import torch
from torchvision.transforms import functional as vision

from longtail.data import ResidentImages
from longtail.samplers import make_sampler
from longtail.training.epochs import Epochs, augmentation
from longtail.training.schedule import learning_rate
from longtail.training.seeds import derive_seed
from longtail.transforms import normalise

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@pytest.fixture
def data():
    images = torch.randint(0, 256, (50, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ResidentImages(images, torch.arange(50), MEAN, STD, torch.channels_last)


def test_normalisation_is_torchvision_s(data):
    expected = vision.normalize(data.images / 255, MEAN, STD)
    torch.testing.assert_close(normalise(data.images, MEAN, STD), expected)
    batches = list(data.in_order(batch_size=20))
    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert batches[0].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(torch.cat(batches), expected)


def test_an_epoch_shows_each_image_once_and_in_another_order_than_the_next(data):
    epochs = Epochs(data, augmentation(("crop", "flip"), 3), batch_size=10, seed=0)
    first, again, second = (torch.cat([target for _, target in epochs.batches(epoch)]) for epoch in (1, 1, 2))
    assert first.sort().values.tolist() == list(range(50))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    other = Epochs(data, augmentation(("crop", "flip"), 3), batch_size=10, seed=1)
    assert not torch.equal(first, torch.cat([target for _, target in other.batches(1)]))


def test_auto_augment_of_grey_images_is_refused():
    with pytest.raises(ValueError, match='must leave out "auto_augment", which is for colours'):
        augmentation(("crop", "auto_augment"), 1)


def test_the_last_partial_batch_is_dropped(data):
    epochs = Epochs(data, None, batch_size=16, seed=0)
    assert epochs.steps == 3
    assert [len(target) for _, target in epochs.batches(1)] == [16] * 3


def test_an_epoch_resumes_at_a_later_step(data):
    epochs = Epochs(data, augmentation(("crop", "auto_augment", "cutout"), 3), batch_size=10, seed=0)
    whole, rest = list(epochs.batches(3)), list(epochs.batches(3, first_step=2))
    assert len(rest) == 3
    for (images, target), (same_images, same_target) in zip(whole[2:], rest, strict=True):
        assert torch.equal(images, same_images)
        assert torch.equal(target, same_target)


def test_processes_share_each_batch_without_overlap(data):
    whole = Epochs(data, augmentation(("crop", "flip"), 3), batch_size=10, seed=0)
    shares = [dataclasses.replace(whole, rank=rank, processes=2) for rank in range(2)]
    for (images, target), *parts in zip(*(epochs.batches(1) for epochs in (whole, *shares)), strict=True):
        assert torch.equal(images, torch.cat([part[0] for part in parts]))
        assert torch.equal(target, torch.cat([part[1] for part in parts]))
        assert not set(parts[0][1].tolist()) & set(parts[1][1].tolist())


def test_a_sampler_says_which_images_come_and_each_draw_is_augmented(data):
    labels = (torch.arange(50) >= 48).long()
    sampled = ResidentImages(data.images, labels, MEAN, STD, torch.channels_last)
    sampler = make_sampler("class-aware", labels, seed=0, epochs=3)
    whole = Epochs(sampled, augmentation(("crop", "flip", "cutout"), 3), batch_size=10, seed=0, sampler=sampler)
    images, target = (torch.cat(parts) for parts in zip(*whole.batches(1), strict=True))
    assert sorted(target.bincount().tolist()) == [24, 26]
    rare = images[target == 1]
    assert len(rare.flatten(1).unique(dim=0)) > 20  # two images, drawn a dozen times each
    again = torch.cat([target for _, target in whole.batches(1, first_step=2)])
    assert torch.equal(again, target[20:])
    shared = [Epochs(sampled, None, 10, 0, rank, 2, sampler).batches(2) for rank in range(2)]
    for (_, target), *parts in zip(Epochs(sampled, None, 10, 0, 0, 1, sampler).batches(2), *shared, strict=True):
        assert torch.equal(target, torch.cat([part[1] for part in parts]))


def test_augmentation_keeps_labels_and_the_original(data):
    before = data.images.clone()
    augmented = data.augmented(augmentation(("cutout",), 3), torch.Generator().manual_seed(0))
    assert torch.equal(data.images, before)
    assert torch.equal(augmented.target, data.target)
    assert ((augmented.images == data.images) | (augmented.images == 0)).all()
    assert not torch.equal(augmented.images, before)


def test_learning_rate_warms_up_then_decays_as_a_cosine_above_zero():
    rates = [learning_rate(epoch, base=0.1, epochs=200, warmup_epochs=2) for epoch in range(1, 201)]
    assert rates[:2] == [0.05, 0.1]
    assert all(a > b for a, b in itertools.pairwise(rates[1:]))
    assert rates[2 + 198 // 2] == pytest.approx(0.05, abs=1e-3)
    assert 0 < rates[-1] < 1e-5
    assert learning_rate(1, base=0.1, epochs=1, warmup_epochs=0) == pytest.approx(0.1)


def test_seeds_differ_by_place():
    places = [(seed, epoch, step) for seed in range(3) for epoch in range(20) for step in range(20)]
    assert len({derive_seed(*place) for place in places}) == len(places)
    assert all(0 <= derive_seed(*place) < 2**63 for place in places)
