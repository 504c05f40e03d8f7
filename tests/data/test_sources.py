import dataclasses

import pytest
import torch

from longtail.data import OwnDataConfig, ResidentImages, load_cifar, load_splits, long_tailed_digits
from longtail.recipes import digits_lt, plankton
from longtail.runs import RunFolder
from longtail.training import run_experiment
from training.tiny import tiny_config

CPU = torch.device("cpu")


def images_of(split):
    assert isinstance(split, ResidentImages)
    return split.images


def test_digits_are_bytes_that_hold_each_grey_exactly():
    sets = load_splits(digits_lt(), None, CPU)
    digits = long_tailed_digits(50)
    assert torch.equal(images_of(sets.train)[:, 0].float() / 240, digits.train_images)
    assert torch.equal(sets.train.target, digits.train_target)
    assert sets.class_counts.tolist() == digits.class_counts.tolist()
    assert (sets.channels, len(sets.test)) == (1, 400)
    values = torch.cat(list(sets.train.in_order()))
    assert values.mean().abs() < 0.01
    assert (values.std() - 1).abs() < 0.01


@pytest.mark.slow
def test_plankton_is_shrunk_and_keeps_its_own_held_out_set(real_data):
    sets = load_splits(plankton(), real_data / "plankton", CPU)
    assert images_of(sets.train).shape == (21_233, 1, 24, 24)
    assert [len(sets.validation), len(sets.test)] == [3_032, 6_071]
    whole = load_splits(plankton(shrink=1), real_data / "plankton", CPU)
    mean_of_four = images_of(whole.train)[:50].float().view(50, 1, 24, 2, 24, 2).mean((3, 5))
    assert torch.equal(images_of(sets.train)[:50].float(), mean_of_four.round())
    values = torch.cat(list(sets.train.in_order()))
    assert values.mean().abs() < 0.02
    assert (values.std() - 1).abs() < 0.02


def test_all_of_cifar_where_no_imbalance_is_asked_for(tiny):
    assert load_splits(tiny_config(imbalance=None), tiny, CPU).class_counts.tolist() == [20] * 10
    held_out = load_splits(tiny_config(imbalance=None, validation=0.2), tiny, CPU)
    assert held_out.class_counts.tolist() == [16] * 10
    assert held_out.validation.target.bincount().tolist() == [4] * 10
    both = torch.cat([images_of(held_out.train), images_of(held_out.validation)]).flatten(1)
    assert len(both.unique(dim=0)) == 200


def test_a_balanced_validation_set_takes_what_the_subset_leaves_out_first(tiny):
    plain, held = load_splits(tiny_config(), tiny, CPU), load_splits(tiny_config(validation_per_class=5), tiny, CPU)
    assert plain.class_counts.tolist() == [20, 17, 14, 12, 10, 9, 7, 6, 5, 5]
    assert held.class_counts.tolist() == [15, 15, 14, 12, 10, 9, 7, 6, 5, 5]  # the head holds out, the tail does not
    assert held.validation.target.bincount().tolist() == [5] * 10
    assert held.holds_out_every_class
    trained, kept = ({image.tobytes() for image in images_of(sets.train).flatten(1).numpy()} for sets in (held, plain))
    rest = {image.tobytes() for image in images_of(held.validation).flatten(1).numpy()}
    assert trained <= kept
    assert len(rest) == 50
    assert not trained & rest
    assert kept <= trained | rest


@pytest.mark.slow
def test_cifar_in_memory_trains_as_from_its_folder(tiny, tmp_path):
    config, cifar = tiny_config(epochs=1), load_cifar("cifar10", tiny)
    from_folder = run_experiment(config, data=tiny, out=tmp_path / "folder")
    run_experiment(config, data=cifar, out=tmp_path / "memory")
    from_memory = RunFolder.open(tmp_path / "memory")
    for name in ("train", "test"):
        for ours, theirs in zip(from_memory.load_predictions(name), from_folder.load_predictions(name), strict=True):
            assert (ours == theirs).all()
    results = [{**run.result, "training_minutes": 0} for run in (from_memory, from_folder) if run.result is not None]
    assert len(results) == 2
    assert results[0] == results[1]


def test_cifar_in_memory_is_no_plankton(tiny):
    with pytest.raises(ValueError, match="must be the folder of the plankton. Got CIFAR"):
        load_splits(plankton(), load_cifar("cifar10", tiny), CPU)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (digits_lt(validation_per_class=5), "`validation_per_class` must be 0 for digits"),
        (plankton(validation_per_class=5), "`validation_per_class` must be 0 for plankton"),
        (digits_lt(profile="step"), '`profile` must be "exp" for digits'),
        (digits_lt(mean=(0.5,) * 3, std=(0.5,) * 3), "must hold one value per channel, 1 for digits. Got 3"),
        (digits_lt(imbalance=None), "`imbalance` must be a number for digits"),
        (digits_lt(shrink=3), "`shrink` must divide 8, the side of the images. Got 3"),
        (plankton(), "`data` must be the folder of the plankton. Got none"),
        (dataclasses.replace(digits_lt(), dataset="cifar10"), "`data` must be the folder of the data set cifar10"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        load_splits(config, None, CPU)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"imbalance": 10.0}, "`imbalance` must be None for plankton, whose tail is its own. Got 10"),
        ({"validation": 0.1}, "`validation` must be 0 for plankton, which has its own held-out set. Got 0.1"),
        ({"profile": "step"}, "`profile` must be 'exp' where all samples are taken. Got 'step'"),
        ({"subset_seed": 3}, "`subset_seed` must be 0 where all samples are taken. Got 3"),
    ],
)
def test_plankton_is_taken_as_it_is(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        load_splits(plankton(**settings), tmp_path, CPU)


def test_settings_of_a_subset_are_refused_where_all_of_cifar_is_taken(tiny):
    for settings in ({"profile": "step"}, {"subset_seed": 3}):
        with pytest.raises(ValueError, match=f"`{next(iter(settings))}` must be .* where all samples are taken"):
            load_splits(tiny_config(imbalance=None, **settings), tiny, CPU)
    held_out = load_splits(tiny_config(imbalance=None, validation_per_class=5, subset_seed=3), tiny, CPU)
    assert len(held_out.validation) == 50


@pytest.mark.parametrize("config", [digits_lt(), plankton(), OwnDataConfig()], ids=lambda config: config.dataset)
def test_only_cifar_is_fetched(config, tmp_path):
    with pytest.raises(ValueError, match="`download` must be off for .*: only CIFAR can be fetched"):
        load_splits(config, tmp_path, CPU, download=True)


def test_digits_take_no_data(tmp_path):
    with pytest.raises(ValueError, match="`data` must be left out for digits, which come with scikit-learn"):
        load_splits(digits_lt(), tmp_path, CPU)


def test_a_balanced_validation_set_leaves_each_class_an_image_to_train_on(tiny):
    with pytest.raises(ValueError, match="must leave an image of each class .* Got 20, and class 0 has 20"):
        load_splits(tiny_config(validation_per_class=20), tiny, CPU)
