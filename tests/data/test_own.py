"""The user's own data, of every kind, as splits that a network takes."""

import dataclasses
import io
import json
import re
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from data.pictures import fill, save
from longtail.data import DataConfig, OwnDataConfig, SplitPlan, load_splits, read_data

CPU = torch.device("cpu")
COUNTS = {"ant": 20, "bee": 10, "cow": 5}
SETTINGS = {"size": 16, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}


def splits_of(data, **settings):
    return load_splits(OwnDataConfig(**(SETTINGS | settings)), data, CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("own"), COUNTS)


def files():
    return [(f"{name}/{index}.png", name) for name, count in COUNTS.items() for index in range(count)]


def write_list(folder, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{file} {name}\n" for file, name in files()))
    return path, {"root": str(folder)}


def write_table(folder, tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame(files(), columns=["file", "kind"]).to_csv(path, index=False)
    return path, {"root": str(folder), "path_column": "file", "label": "kind"}


def labels():
    return np.repeat(list(COUNTS), list(COUNTS.values()))


def random_images():
    return np.random.default_rng(0).integers(0, 256, (sum(COUNTS.values()), 20, 24, 3), dtype=np.uint8)


def write_images(folder, tmp_path):
    np.savez(tmp_path / "images.npz", images=random_images(), labels=labels())
    return tmp_path / "images.npz", {}


class InMemory(Dataset):
    """Items of image and label, as torchvision's data sets give them."""

    classes = tuple(COUNTS)

    def __init__(self, convert):
        self.images, self.convert = random_images(), convert
        self.targets = np.repeat(np.arange(3), list(COUNTS.values())).tolist()

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.convert(self.images[index]), self.targets[index]


def as_tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


class Rows(InMemory):
    """Items as rows, as Hugging Face's data sets give them."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return {"id": index, "image": image, "label": label}


IMAGES = {
    "folder": lambda folder, _: (folder, {}),
    "list": write_list,
    "table": write_table,
    "npz": write_images,
    "pair": lambda *_: ((random_images(), labels()), {}),
    "Pillow's": lambda *_: (InMemory(Image.fromarray), {}),
    "tensors": lambda *_: (InMemory(as_tensor), {}),
    "rows": lambda *_: (Rows(Image.fromarray), {}),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_images_of_every_kind_become_splits(kind, folder, tmp_path):
    data, settings = IMAGES[kind](folder, tmp_path)
    splits = splits_of(data, **settings)
    assert splits.info.class_names == ("ant", "bee", "cow")
    assert splits.info.class_counts == (13, 6, 3)
    assert splits.class_counts.tolist() == torch.bincount(splits.train.target).tolist()
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [22, 6, 7]
    assert splits.holds_out_every_class
    assert (splits.info.input_shape, splits.info.mean, splits.info.std) == ((3, 16, 16), *list(SETTINGS.values())[1:])
    for split in (splits.train, splits.validation, splits.test):
        inputs = torch.cat(list(split.in_order()))
        assert (inputs.shape, inputs.dtype) == ((len(split), 3, 16, 16), torch.float32)
        assert len(split.pictures(np.array([0]))[0]) == 16


@pytest.mark.parametrize("kind", ["npz", "pair", "Pillow's", "tensors", "rows"])
def test_the_pixels_and_labels_of_one_sample_stay_together(kind, folder, tmp_path):
    data, settings = IMAGES[kind](folder, tmp_path)
    splits = splits_of(data, size=20, **settings)
    known = {image[:, 2:22].tobytes(): label for image, label in zip(random_images(), labels(), strict=True)}
    found = [
        (known.pop(picture.tobytes()), splits.info.class_names[label])
        for split in (splits.train, splits.validation, splits.test)
        for picture, label in zip(split.pictures(np.arange(len(split))), split.target, strict=True)
    ]
    assert not known
    assert all(ours == theirs for ours, theirs in found)


def feature_pair():
    return np.random.default_rng(1).normal(size=(35, 4)).astype(np.float32), labels()


def write_feature_table(tmp_path):
    inputs, names = feature_pair()
    pd.DataFrame(inputs, columns=list("abcd")).assign(label=names).to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def write_feature_arrays(tmp_path):
    inputs, names = feature_pair()
    np.savez(tmp_path / "features.npz", features=inputs, labels=names)
    return tmp_path / "features.npz"


@pytest.mark.parametrize("make", [write_feature_table, write_feature_arrays, lambda _: feature_pair()])
def test_features_of_every_kind_become_splits_and_need_no_settings_of_images(make, tmp_path):
    splits = load_splits(OwnDataConfig(), make(tmp_path), CPU)
    assert (splits.info.class_names, splits.info.class_counts) == (tuple(COUNTS), (13, 6, 3))
    assert (splits.info.input_shape, splits.info.mean, splits.info.std) == ((4,), (), ())
    rows = torch.cat([torch.cat(list(s.in_order())) for s in (splits.train, splits.validation, splits.test)])
    np.testing.assert_allclose(
        np.sort(rows.numpy(), axis=0), np.sort(feature_pair()[0], axis=0), rtol=1e-6
    )  # each sample in one part
    assert splits.train.pictures(np.array([0])) is None


def held_out(splits):
    return {name: set(own) for name, own in splits.info.held_out["held_out"].items()}


def test_groups_stay_in_one_part(folder, tmp_path):
    group = {file: f"{name}-{index // 2}" for index, (file, name) in enumerate(files())}
    path, settings = write_list(folder, tmp_path)
    (tmp_path / "groups.csv").write_text("path,group\n" + "".join(f"{f},{g}\n" for f, g in group.items()))
    splits = splits_of(path, groups=str(tmp_path / "groups.csv"), **settings)
    own = held_out(splits)
    parts = [own["validation"], own["test"], {*group} - own["validation"] - own["test"]]
    assert [len(part) for part in parts] == [len(splits.validation), len(splits.test), len(splits.train)]
    assert sum(len({group[file] for file in part}) for part in parts) == len(set(group.values()))


def test_the_kept_plan_divides_the_same_data_the_same_way(folder):
    splits = splits_of(folder, subset_seed=3)
    plan = SplitPlan.from_dict(json.loads(json.dumps(splits.info.held_out)))
    parts = plan.apply(read_data(folder))
    assert parts.fingerprint == splits.info.fingerprint
    assert parts.test.target.tolist() == splits.test.target.tolist()
    assert not held_out(splits)["validation"] & held_out(splits)["test"]
    assert held_out(splits) != held_out(splits_of(folder, subset_seed=4))
    assert splits_of(folder, subset_seed=4).info.fingerprint != splits.info.fingerprint


def test_parts_that_are_given_are_taken_as_they_are(tmp_path):
    fill(tmp_path / "train", COUNTS)
    fill(tmp_path / "elsewhere", {"ant": 2, "cow": 1})
    splits = splits_of(tmp_path / "train", test=str(tmp_path / "elsewhere"), validation=0.0)
    assert splits.info.class_counts == (20, 10, 5)
    assert (len(splits.validation), splits.test.target.tolist()) == (0, [0, 0, 2])
    assert not splits.holds_out_every_class
    assert list(splits.validation.in_order()) == []
    for part, share in (("test", "test_share"), ("val", "validation")):
        given = {part: str(tmp_path / "elsewhere"), share: 0.3}
        with pytest.raises(ValueError, match=f"`{share}` must be left out where the .* samples are given.* Got 0.3"):
            splits_of(tmp_path / "train", **given)


def test_content_tells_when_files_change_and_fingerprints_when_others_are_there(tmp_path):
    fill(tmp_path, COUNTS)
    before = splits_of(tmp_path)
    assert before.train.content == splits_of(tmp_path).train.content
    assert len({split.content for split in (before.train, before.validation, before.test)}) == 3
    save(tmp_path / "ant/0.png", seed=77)
    save(tmp_path / "cow/0.png", seed=77)
    after = splits_of(tmp_path)
    changed = [getattr(before, n).content != getattr(after, n).content for n in ("train", "validation", "test")]
    assert any(changed)
    assert before.info.fingerprint == after.info.fingerprint
    save(tmp_path / "cow/new.png")
    assert splits_of(tmp_path).info.fingerprint != after.info.fingerprint
    assert splits_of(InMemory(as_tensor)).train.content is None
    assert (
        splits_of((random_images(), labels())).train.content
        != splits_of((random_images() // 2, labels())).train.content
    )


def test_bad_files_are_refused_or_left_out(tmp_path):
    fill(tmp_path, COUNTS)
    (tmp_path / "ant/3.png").write_bytes(b"noise")
    with pytest.raises(ValueError, match=r"1 of 35 files of train can't be decoded: .*ant/3\.png"):
        splits_of(tmp_path)
    splits = splits_of(tmp_path, on_bad_file="skip")
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 34
    assert any("1 of 35 files are bad and left out" in note for note in splits.info.notes)


def test_invalid_settings_and_samples_are_refused_before_training(folder, tmp_path):
    fill(tmp_path / "few", {"ant": 2, "bee": 2})
    fill(tmp_path / "damaged", COUNTS)
    (tmp_path / "damaged/ant/0.png").write_bytes(b"noise")
    with pytest.raises(ValueError, match=r"`test` must name test samples where `test_share` is 0\."):
        splits_of(tmp_path / "damaged", test_share=0.0)
    with pytest.raises(ValueError, match=r"`size` must be given for images without a network that prefers one"):
        splits_of(tmp_path / "damaged", size=None)
    with pytest.raises(ValueError, match=r"`test_share` must leave a test sample. 0.2 of 4 samples"):
        splits_of(tmp_path / "few")
    with pytest.raises(ValueError, match=r"`data` must be a folder, list, table, array file or data set. Got none"):
        splits_of(None)
    with pytest.raises(ValueError, match=r'`dataset` "own" needs an `OwnDataConfig` such as `OwnConfig`. Got a Data'):
        load_splits(DataConfig(dataset="own"), folder, CPU)
    with pytest.raises(TypeError, match=r"sample \d+: an image must be uint8, or floats in \[0, 1\]"):
        splits_of(InMemory(lambda image: 2 * as_tensor(image)))
    with pytest.raises(TypeError, match=r"sample \d+: an image must be uint8"):
        splits_of(InMemory(str))


class OneAtATime(InMemory):
    """Items that only one thread at a time may read, as those of an open archive; some can't be read."""

    def __init__(self, convert, bad=()):
        super().__init__(convert)
        self.bad, self.reading = bad, 0

    def __getitem__(self, index):
        self.reading += 1
        time.sleep(1e-3)
        alone, self.reading = self.reading == 1, self.reading - 1
        if not alone or index in self.bad:
            raise OSError("unexpected end of data")
        return super().__getitem__(index)


def cut_off(image):
    """An image that Pillow has opened, and whose pixels are not all there."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return Image.open(io.BytesIO(file.getvalue()[:-40]))


def test_the_items_of_a_data_set_are_read_by_one_thread_at_a_time(monkeypatch):
    monkeypatch.setattr("longtail.data.images.streamed.available_cores", lambda: 4)
    splits = splits_of(OneAtATime(Image.fromarray))
    assert sum(len(images) for images in splits.train.in_order()) == len(splits.train)


def test_an_item_that_can_not_be_read_is_named_by_its_index_in_the_data_set():
    data = OneAtATime(Image.fromarray)
    splits = splits_of(data)
    for split in (splits.train, splits.validation, splits.test):
        data.bad = range(len(data))
        with pytest.raises(ValueError, match=r"of the data set could not be read. OSError: unexpected end") as error:
            list(split.in_order())
        index = int(re.match(r"sample (\d+) ", str(error.value))[1])
        assert data.targets[index] == split.target[0]
        data.bad = ()


def test_an_image_that_is_only_opened_is_named_when_it_can_not_be_decoded():
    with pytest.raises(ValueError, match=r"sample \d+ of the data set could not be read. OSError: .*truncated"):
        splits_of(InMemory(cut_off))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"imbalance": 10.0}, "`imbalance` must be left out for your own data. Got 10.0."),
        ({"shrink": 2}, "`shrink` must be left out for your own data. Got 2. `size` sets"),
        ({"validation_per_class": 5, "validation": 0.0}, "`validation_per_class` must be left out"),
        ({"profile": "step"}, "`profile` must be left out"),
        ({"mean": (0.5,), "std": (0.5,)}, "`mean` and `std` must hold 3 values: images are read in colour"),
        ({"mean": (0.5, 0.5, 0.5), "std": ()}, "`std` must hold 3 values"),
        ({"size": 4}, "`size` must be at least 8"),
        ({"crop_pct": 0.0}, "`crop_pct` must be greater than 0"),
        ({"validation": 0.5, "test_share": 0.5}, "`validation` and `test_share` must leave samples to train on"),
        ({"augment_on": "device", "augment": "trivial"}, "`augment` must be one of light, imagenet, .* Got 'trivial'"),
        ({"augment_on": "device"}, "`augment` must be one of light, imagenet, .* Got 'none'"),
        ({"on_bad_file": "ignore"}, "`on_bad_file` must be one of"),
    ],
)
def test_settings_without_effect_or_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        OwnDataConfig(**(SETTINGS | settings))


def test_the_configuration_equals_its_fields_and_is_complete(folder):
    config = OwnDataConfig(**SETTINGS)
    assert OwnDataConfig(**{f.name: getattr(config, f.name) for f in dataclasses.fields(config)}) == config
    assert config.completed() is config
