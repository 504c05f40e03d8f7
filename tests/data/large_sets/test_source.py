import pytest
import torch

from data.large_set_files import TINY_COUNTS
from longtail.data import OwnDataConfig, load_splits
from longtail.data.config import DataConfig
from longtail.data.large_sets import LARGE_SETS

CPU = torch.device("cpu")
INPUT = {
    "size": 16,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "crop_pct": 0.875,
    "validation": 0.0,
    "test_share": 0.0,
}


def config(name, **settings):
    return OwnDataConfig(dataset=name, **(INPUT | settings))


def test_splits_are_those_of_the_lists(name, tiny_set):
    told = []
    splits = load_splits(config(name), tiny_set, CPU, progress=lambda step, share: told.append((step, share)))
    assert splits.info.class_counts == TINY_COUNTS["train"]
    assert len(splits.validation) == (12 if "validation" in LARGE_SETS[name].lists else 0)
    assert len(splits.test) == 18
    assert next(splits.test.in_order()).shape == (18, 3, 16, 16)
    assert told[-1] == ("looking for files", 1.0)
    assert splits.info.origin == str(tiny_set)


def test_validation_images_are_held_out_where_no_list_names_them(name, tiny_set):
    held_out = config(name, validation=0.25)
    if "validation" in LARGE_SETS[name].lists:
        with pytest.raises(ValueError, match=f"`validation` must be 0 for {name}, which has an official .* Got 0.25"):
            load_splits(held_out, tiny_set, CPU)
    else:
        assert len(load_splits(held_out, tiny_set, CPU).validation) == 11


def test_missing_images_stop_before_training_or_are_left_out(name, tiny_set):
    gone = sorted((tiny_set).rglob("train_??.jpg"))[:7]
    for path in gone:
        path.unlink()
    message = (
        rf"7 of 42 files of train are missing: .* and 2 more. .*longtail doctor {name} --data .*--on-bad-file skip"
    )
    with pytest.raises(FileNotFoundError, match=message):
        load_splits(config(name), tiny_set, CPU)
    splits = load_splits(config(name, on_bad_file="skip"), tiny_set, CPU)
    assert sum(splits.info.class_counts) == 35
    assert "7 of 42 files of train are missing" in splits.info.notes[0]


def test_a_list_of_another_version_is_refused(name, tiny_set):
    path = tiny_set / LARGE_SETS[name].lists["train"].names[0]
    path.write_text(path.read_text().split("\n", 1)[1])
    with pytest.raises(ValueError, match="must be the official train list of .* Got 41 in 3: another version"):
        load_splits(config(name), tiny_set, CPU)


@pytest.mark.parametrize("name", ["imagenet-lt"])
def test_settings_of_other_data_are_refused(name, tiny_set):
    for settings in ({"val": "x"}, {"label": "x"}, {"group": "x"}, {"imbalance": 10.0}):
        with pytest.raises(ValueError, match=f"`{next(iter(settings))}` must be left out for imagenet-lt"):
            load_splits(config(name, **settings), tiny_set, CPU)
    for other in ({"test_share": 0.2}, {"validation_per_class": 3}, {"profile": "step"}, {"shrink": 2}):
        (setting, value), *_ = other.items()
        with pytest.raises(ValueError, match=f"`{setting}` must be .* for imagenet-lt: .* Got {value!r}"):
            load_splits(config(name, **other), tiny_set, CPU)
    with pytest.raises(ValueError, match="`download` must be off for imagenet-lt: only CIFAR can be fetched"):
        load_splits(config(name), tiny_set, CPU, download=True)
    with pytest.raises(ValueError, match=r"`data` must be the folder of ImageNet-LT.* Got none. Pass --data DIR"):
        load_splits(config(name), None, CPU)
    with pytest.raises(ValueError, match='`dataset` "imagenet-lt" needs an `OwnDataConfig`'):
        load_splits(DataConfig(dataset=name), tiny_set, CPU)
    with pytest.raises(FileNotFoundError, match="`data` must be the folder of ImageNet-LT. Got .*nowhere"):
        load_splits(config(name), tiny_set / "nowhere", CPU)
