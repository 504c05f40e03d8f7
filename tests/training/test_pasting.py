"""CMO in training: which steps paste, what, and where."""

import dataclasses

import pytest
import torch

from longtail.data import ResidentImages
from longtail.training.epochs import Epochs, augmentation
from longtail.training.pasting import PastedEpochs

COUNTS = (60, 15, 5)
LABELS = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))
SIZE = 8


@pytest.fixture
def data():
    """Each image has one value of its own, which names it after normalisation."""
    images = torch.arange(80, dtype=torch.uint8).view(80, 1, 1, 1).expand(80, 3, 16, 16).contiguous()
    return ResidentImages(images, LABELS, (0.0,) * 3, (1 / 255,) * 3, torch.channels_last)


def pasted_epochs(data, epochs=20, **settings):
    given = {"data": data, "augment": None, "batch_size": SIZE, "seed": 0} | settings
    return PastedEpochs(**given, num_classes=3, alpha=1.0, epochs=epochs)


def pasted_steps(epochs, epoch):
    return [target.is_floating_point() for _, target in epochs.batches(epoch)]


@pytest.mark.parametrize(
    ("epochs", "with_pasting"), [(200, (5, 197)), (100, (5, 97)), (50, (3, 49)), (10, (1, 10)), (1, (1, 1))]
)
def test_the_first_and_the_last_epochs_do_not_paste(data, epochs, with_pasting):
    made = pasted_epochs(data, epochs)
    found = [epoch for epoch in range(1, epochs + 1) if any(pasted_steps(made, epoch))]
    assert (found[0], found[-1]) == with_pasting


def test_half_of_the_steps_paste(data):
    made = pasted_epochs(data)
    steps = [pastes for epoch in range(1, 21) for pastes in pasted_steps(made, epoch)]
    assert sum(steps) / len(steps) == pytest.approx(0.5, abs=0.1)
    assert pasted_steps(made, 1) != pasted_steps(made, 2)


def test_labels_are_those_of_the_pixels_and_patches_are_balanced(data):
    made = pasted_epochs(data, epochs=60)
    patches = torch.zeros(3)
    backgrounds = torch.zeros(3)
    for epoch in range(10, 50):
        for images, target in made.batches(epoch):
            if not target.is_floating_point():
                continue
            values = images[:, 0].flatten(1).round().long()
            by_pixels = torch.nn.functional.one_hot(LABELS[values], 3).float().mean(1)
            torch.testing.assert_close(target, by_pixels)
            own = values.mode(1).values  # the larger part, of most images the background
            other = [set(row.tolist()) - {int(most)} for row, most in zip(values, own, strict=True)]
            assert all(len(rest) <= 1 for rest in other)
        plain = torch.cat([LABELS[value] for value in _patches(made, epoch)])
        patches += plain.bincount(minlength=3)
        backgrounds += torch.cat([LABELS[value] for value in _backgrounds(made, epoch)]).bincount(minlength=3)
    assert (patches / patches.sum()).tolist() == pytest.approx([1 / 3] * 3, abs=0.05)
    assert (backgrounds / backgrounds.sum()).tolist() == pytest.approx([count / 80 for count in COUNTS], abs=0.05)


def _order(made, epoch):
    pastes = made._steps_that_paste(epoch)
    order = made._with_patches(made.order(epoch, made.generator(epoch)), epoch, pastes)
    return [order[part] for part, pasted in zip(made._parts(pastes), pastes, strict=True) if pasted]


def _patches(made, epoch):
    return [part[1::2] for part in _order(made, epoch)]


def _backgrounds(made, epoch):
    return [part[::2] for part in _order(made, epoch)]


def test_a_step_that_does_not_paste_has_the_images_of_the_epoch(data):
    made, plain = pasted_epochs(data), Epochs(data, None, SIZE, seed=0)
    steps = zip(made.batches(7), plain.batches(7), strict=True)
    unpasted = [(images, own) for (images, target), (own, _) in steps if not target.is_floating_point()]
    assert unpasted
    assert all(torch.equal(images, own) for images, own in unpasted)


def test_an_epoch_resumes_at_a_later_step(data):
    made = pasted_epochs(data, augment=augmentation(("crop", "flip", "cutout"), 3))
    whole, rest = list(made.batches(3)), list(made.batches(3, first_step=4))
    assert len(rest) == len(whole) - 4
    for batch, same in zip(whole[4:], rest, strict=True):
        assert all(torch.equal(*pair) for pair in zip(batch, same, strict=True))


def test_processes_see_together_what_one_sees(data):
    whole = pasted_epochs(data, batch_size=10, augment=augmentation(("crop", "flip"), 3))
    shares = [dataclasses.replace(whole, rank=rank, processes=3) for rank in range(3)]
    assert any(pasted_steps(whole, 3))
    for batch, *parts in zip(*(epochs.batches(3) for epochs in (whole, *shares)), strict=True):
        assert torch.equal(batch[0], torch.cat([images for images, _ in parts]))
        assert torch.equal(batch[1], torch.cat([target for _, target in parts]))


def test_draws_differ_by_seed_and_leave_the_global_generator_alone(data):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = list(pasted_epochs(data).batches(2))
    assert torch.equal(torch.get_rng_state(), state)
    other = list(pasted_epochs(data, seed=1).batches(2))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


def test_a_step_of_which_a_file_has_become_bad_is_not_pasted(data, monkeypatch):
    """Its pairs are no longer known."""

    class OneMissing(ResidentImages):
        def batches(self, *arguments, **keywords):
            for images, target in super().batches(*arguments, **keywords):
                yield images[1:], target[1:]

    made = pasted_epochs(OneMissing(**vars(data)))
    assert any(made._steps_that_paste(2))
    assert not any(pasted_steps(made, 2))


def test_a_run_without_a_step_that_pastes_says_so(data):
    assert pasted_epochs(data).notes() == []
    short = [pasted_epochs(data, epochs=1, batch_size=80, seed=seed).notes() for seed in range(20)]
    assert [] in short
    assert ["no step pasted images (cmo): the run has too few steps. Train longer, or in smaller batches"] in short
