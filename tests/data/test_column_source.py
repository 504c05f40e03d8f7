"""Data sets with columns, as Hugging Face has them, by a stand-in that behaves as its `Dataset` does."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow
from torch.utils.data import IterableDataset

from data.pictures import picture
from longtail.data import check_files, class_counts, make_splits, read_data
from longtail.data.own import image_loader

NAMES = ["ant", "bee", "cow"]


class Image:
    """A kind of columns."""

    def __init__(self, decode=True):
        self.decode = decode


class ClassLabel:
    """A kind of columns, indices of names."""

    names = NAMES


class Value:
    """A kind of columns."""


class Rows:
    """Rows by index and columns by name, changed by a format where they are read."""

    def __init__(self, columns, features, kind=None, change=None):
        self.columns, self.features, self.change = columns, features, change
        self.format = {"type": kind or ("custom" if change else None)}
        self.column_names = list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return Column(self, key)
        row = {name: values[key] for name, values in self.columns.items()}
        if self.format["type"] == "pandas":
            return pd.DataFrame([row])
        return row if self.change is None else self.change(row)

    def with_format(self, kind):
        return Rows(self.columns, self.features, kind)

    def select_columns(self, name):
        return Rows({name: self.columns[name]}, {name: self.features[name]})

    def cast_column(self, name, kind):
        content = [encoded(image) for image in self.columns[name]]
        return Rows({**self.columns, name: content}, {**self.features, name: kind})

    def to_pandas(self):
        return pd.DataFrame(self.columns)


def encoded(image):
    """How a row is stored: bytes, the path of a file, or nothing."""
    if image is None:
        return None
    if isinstance(image, str):
        return {"bytes": None, "path": image}
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


class Column:
    """A column, of which a row is read by reading the row of the data set."""

    def __init__(self, rows, name):
        self.rows, self.name = rows, name

    def __getitem__(self, key):
        return self.rows.columns[self.name][key] if self.rows.change is None else self.rows.change({})[self.name]


class OfPolars:
    """A table with the methods that one of Polars has."""

    def __init__(self, values):
        self.values, self.columns = values, list(values)

    def __len__(self):
        return len(self.values["label"])

    def __getitem__(self, key):
        return self.values[key]

    def to_pandas(self):
        return pd.DataFrame(self.values)


def rows(image="image", label="label", names=True, change=None, kind=None, **others):
    columns = {
        image: [Pillow.new("RGB", (8, 6), (number, 0, 0)) for number in range(6)],
        label: [0, 1, 0, 2, 0, 1] if names else ["ant", "bee", "ant", "cow", "ant", "bee"],
    }
    features = {image: Image(), label: ClassLabel() if names else Value()}
    for name, values in others.items():
        columns[name], features[name] = values, Image() if isinstance(values[0], Pillow.Image) else Value()
    return Rows(columns, features, kind, change)


def reds(samples):
    load = image_loader(samples, size=6)
    return [int(load(index)[0, 0, 0]) for index in range(len(samples))]


@pytest.mark.parametrize("names", [True, False])
def test_images_and_labels(names):
    data = read_data(rows(names=names))
    assert (data.class_names, data.train.target.tolist()) == (tuple(NAMES), [0, 1, 0, 2, 0, 1])
    assert reds(data.train) == list(range(6))
    assert data.notes == ("Rows: labels are read from the column 'label' (`label` names another).",)


def test_parts_are_noted_once():
    data = read_data({"train": rows(), "validation": rows(), "test": rows()})
    assert len(data.notes) == 1


def test_a_column_of_labels_of_another_name_is_named():
    for read in (read_data, class_counts):
        with pytest.raises(ValueError, match=r"label or labels or fine_label or target.* image, species"):
            read(rows(label="species"))
    with pytest.raises(ValueError, match="--label must name a column of Rows. Got 'kind'; its columns: image, label"):
        read_data(rows(), label="kind")
    data = read_data(rows(label="species"), label="species")
    assert (data.class_names, data.train.target.tolist()) == (tuple(NAMES), [0, 1, 0, 2, 0, 1])
    assert read_data(rows(label="category")).class_names == tuple(NAMES)


def test_a_column_of_images_of_another_name_is_found_among_others():
    data = read_data(rows(image="photo", width=[8] * 6))
    assert reds(data.train) == list(range(6))
    assert "images are read from the column 'photo' (`path_column` names another)" in " ".join(data.notes)
    masks = [Pillow.new("RGB", (8, 6), (100 + number, 0, 0)) for number in range(6)]
    with pytest.raises(
        ValueError, match="Rows has several columns of images: photo, mask. Name one with --path-column"
    ):
        read_data(rows(image="photo", mask=masks))
    assert reds(read_data(rows(image="photo", mask=masks), path_column="mask").train) == list(range(100, 106))
    assert reds(read_data(rows(mask=masks)).train) == list(range(6))


def test_samples_of_webdataset_have_their_labels_in_cls():
    keys = [f"{number:04}" for number in range(6)]
    data = read_data(rows(image="jpg", label="cls", __key__=keys, json=[{"label": "x"}] * 6))
    assert data.class_names == tuple(NAMES)
    assert reds(data.train) == list(range(6))
    frame = pd.DataFrame({"webp": [picture(number) for number in range(4)], "cls": [0, 1, 0, 1], "__key__": keys[:4]})
    assert read_data(frame).train.target.tolist() == [0, 1, 0, 1]


def test_groups_stay_together():
    data = read_data(rows(animal=["x", "x", "y", "y", "z", None]))
    assert data.train.groups is None
    with pytest.raises(ValueError, match="Rows must name a group in each row. Row 5 names none in 'animal'"):
        read_data(rows(animal=["x", "x", "y", "y", "z", None]), group="animal")
    data = read_data(rows(group=[1, 1, 2, 2, 3, 3]))
    assert data.train.groups.tolist() == ["1", "1", "2", "2", "3", "3"]
    assert all(len(part) % 2 == 0 for _, part in make_splits(data, validation=0.3, test=0.3, seed=0).items())


def test_labels_are_those_of_the_column_whatever_is_made_of_a_row():
    def change(row):
        return {"pixel_values": np.asarray(row["image"]), "labels": row["label"] + 5}

    data = read_data(rows(change=change))
    assert (data.class_names, data.train.target.tolist()) == (tuple(NAMES), [0, 1, 0, 2, 0, 1])
    assert reds(data.train) == list(range(6))
    assert class_counts(rows(change=change)).tolist() == [3, 2, 1]


def test_rows_that_are_tables_are_read_as_rows():
    assert reds(read_data(rows(kind="pandas")).train) == list(range(6))


def test_a_table_is_read_as_one():
    columns = {"length": [1.0, 2.0, 3.0, 4.0], "label": [0, 1, 0, 1]}
    data = read_data(Rows(columns, {"length": Value(), "label": ClassLabel()}, kind="torch"))
    assert data.class_names == tuple(NAMES)
    assert data.train.features.tolist() == [[1.0], [2.0], [3.0], [4.0]]
    for table in (pytest.importorskip("pyarrow").table(columns), OfPolars(columns)):
        assert read_data(table).train.features.shape == (4, 1)


def test_images_that_are_not_decoded_are_read_as_bytes():
    content = [{"bytes": picture(number), "path": None} for number in range(4)]
    features = {"image": Image(decode=False), "label": ClassLabel()}
    data = read_data(Rows({"image": content, "label": [0, 1, 0, 1]}, features))
    assert data.train.encoded is not None
    assert reds(data.train) == list(range(4))


@pytest.mark.parametrize("column", ["split", "fold"])
def test_a_column_may_name_the_parts(column):
    data = rows(**{column: ["train", "train", "test", "train", "val", "test"]})
    found = read_data(data, **({} if column == "split" else {"split": column}))
    assert {name: part.target.tolist() for name, part in found.items()} == {
        "train": [0, 1, 2],
        "validation": [0],
        "test": [0, 1],
    }
    assert (reds(found.train), reds(found.test)) == ([0, 1, 3], [2, 5])
    assert f"Rows: parts are read from the column {column!r} (`split` names another)." in found.notes


def test_the_parts_may_be_indices_of_names():
    data = rows(split=[0, 0, 2, 0, 1, 2])
    data.features["split"] = ClassLabel()
    data.features["split"].names = ["train", "dev", "test"]
    assert [len(part.target) for _, part in read_data(data).items()] == [3, 1, 2]
    data.columns["split"][3] = -1
    with pytest.raises(ValueError, match="the column 'split' of Rows must hold train, .* Got '-1'"):
        read_data(data)


def test_a_column_split_of_something_else_is_none_of_parts():
    data = read_data(rows(split=["a", "b", "a", "b", "a", "b"]))
    assert len(data.train.target) == 6


def test_what_means_nothing_for_them_is_refused():
    with pytest.raises(ValueError, match="`root` must be left out for a data set object of images"):
        read_data(rows(), root="label")


def test_a_stream_is_refused_with_what_to_do():
    class Stream(IterableDataset):
        column_names = ("image", "label")

        def __iter__(self):
            yield {}

    with pytest.raises(
        TypeError, match=r"Got a stream, Stream. With Hugging Face, load it without `streaming`; with tar"
    ):
        read_data(Stream())


def test_images_are_taken_before_they_are_decoded():
    data = read_data({"train": rows(), "test": rows(kind="torch")})
    assert data.train.encoded is not None
    assert reds(data.test) == list(range(6))
    assert reds(data.train.take([4, 1])) == [4, 1]
    frame = pd.DataFrame({"image": [encoded(image)["bytes"] for image in rows().columns["image"]]})
    table = read_data(frame.assign(label=[NAMES[place] for place in rows().columns["label"]]))
    assert data.train.fingerprint == table.train.fingerprint
    assert data.train.content is not None  # so that features of a frozen network are cached
    assert read_data(rows(change=dict)).train.encoded is None


def of_files(folder, *others):
    for number in range(4):
        Pillow.new("RGB", (8, 6), (number, 0, 0)).save(folder / f"{number}.png")
    images = [*(str(folder / f"{number}.png") for number in range(4)), *others]
    return Rows({"image": images, "label": [number % 2 for number in range(len(images))]}, FEATURES)


FEATURES = {"image": Image(), "label": ClassLabel()}


def test_images_that_are_files_are_named_by_their_paths(tmp_path):
    data = read_data(of_files(tmp_path, str(tmp_path / "lost.png"), None))
    assert reds(data.train.take([3, 0])) == [3, 0]
    with pytest.raises(FileNotFoundError, match=r"1 of 6 images of train are missing: .*lost.png"):
        check_files(data)
    kept = check_files(data, on_bad_file="skip")
    assert kept.train.target.tolist() == [0, 1, 0, 1]
    assert "2 of 6 images are bad and left out" in kept.notes[-1]
    assert kept.notes[-1].endswith("lost.png, sample 5.")


def test_images_behind_an_address_are_read_by_the_data_set():
    data = Rows({"image": ["hf://a/1.png"] * 4, "label": [0, 1, 0, 1]}, FEATURES)
    assert read_data(data).train.encoded is None
