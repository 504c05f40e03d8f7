"""The data sets of Hugging Face's library itself; test_column_source.py has the rules, on a stand-in."""

import datasets
import numpy as np
import pytest
from PIL import Image

from data.pictures import picture
from longtail.data import check_files, read_data
from longtail.data.own import image_loader

pytestmark = pytest.mark.slow

NAMES = ["ant", "bee", "cow"]
FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})


@pytest.fixture
def of_bytes():
    rows = [{"bytes": picture(number), "path": None} for number in range(6)]
    return datasets.Dataset.from_dict({"image": rows, "label": [0, 1, 2, 0, 1, 0]}, features=FEATURES)


@pytest.fixture
def of_files(tmp_path):
    for number, name in enumerate(["ant", "ant", "bee", "cow"]):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    folder = datasets.load_dataset("imagefolder", data_dir=str(tmp_path), cache_dir=str(tmp_path / ".cache"))
    return folder["train"], tmp_path


def pixels(samples):
    load = image_loader(samples, size=6)
    return np.stack([load(index) for index in range(len(samples))])


def test_parts_selections_and_formats(of_bytes):
    parts = datasets.DatasetDict({"train": of_bytes, "test": of_bytes.select([5, 1]).with_format("torch")})
    data = read_data(parts)
    assert data.class_names == tuple(NAMES)
    assert data.train.class_counts.tolist() == [3, 2, 1]
    assert data.test.target.tolist() == [0, 1]
    np.testing.assert_array_equal(pixels(data.test), pixels(data.train)[[5, 1]])


def test_a_folder_of_images_is_read_as_the_folder_is(of_files):
    rows, folder = of_files
    data, files = read_data(rows), read_data(folder)
    assert (data.class_names, data.train.target.tolist()) == (files.class_names, files.train.target.tolist())
    np.testing.assert_array_equal(pixels(data.train), pixels(files.train))
    (folder / "bee" / "2.png").write_bytes(b"cut off")
    with pytest.raises(ValueError, match="1 of 4 images of train can't be decoded.*2.png"):
        check_files(read_data(rows))


def test_a_transform_is_applied_to_what_is_trained_on(of_bytes):
    changed = of_bytes.with_transform(lambda rows: {"image": [Image.new("RGB", (8, 6), "white")] * len(rows["image"])})
    data = read_data(changed)
    assert data.train.target.tolist() == [0, 1, 2, 0, 1, 0]
    assert pixels(data.train).min() == 255


def test_other_images_of_a_row_are_not_decoded(of_bytes):
    masks = datasets.Dataset.from_dict(
        {"mask": [{"bytes": b"no image", "path": None}] * 6}, features=datasets.Features({"mask": datasets.Image()})
    )
    both = datasets.concatenate_datasets([of_bytes, masks], axis=1)
    np.testing.assert_array_equal(pixels(read_data(both).train), pixels(read_data(of_bytes).train))


def test_a_table(of_bytes):
    rows = datasets.Dataset.from_dict({"length": [1.0, 2.0, 3.0], "kind": ["ant", "bee", "ant"]})
    data = read_data(rows, label="kind")
    assert data.train.features.tolist() == [[1.0], [2.0], [3.0]]


def test_embeddings_are_features():
    rows = datasets.Dataset.from_dict(
        {"embedding": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "kind": ["ant", "bee", "ant"]}
    )
    data = read_data(rows, label="kind")
    assert data.train.feature_names == ("embedding[0]", "embedding[1]")
    assert data.train.features.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def test_a_stream_is_refused(of_bytes):
    with pytest.raises(TypeError, match="load it without `streaming`"):
        read_data(of_bytes.to_iterable_dataset())
