"""Tables that hold images as bytes, and folders of Parquet files."""

import io
import json
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from data.pictures import picture, reds
from longtail.data import DataConfig, Samples, check_files, make_splits, read_data
from longtail.data.images.decoding import BadImageError
from longtail.data.images.file_augmentation import CentreSquare, TrainingImage
from longtail.data.own import image_loader, source_of
from longtail.data.own_config import OwnDataConfig
from longtail.data.sources import load_splits
from longtail.data.tables import file as table_file
from longtail.doctor.parts import part_findings
from longtail.doctor.prints import prints_of

NAMES = ["ant", "bee", "cow"]


def rows(labels, form="struct"):
    contents = [picture(number) for number in range(len(labels))]
    images = contents if form == "bytes" else [{"bytes": content, "path": "x.png"} for content in contents]
    return {"image": images, "label": labels, "filename": ["no such file.png"] * len(labels)}


def write(path, labels, form="struct", names=NAMES):
    """As Hugging Face writes it; labels are class indices."""
    path.parent.mkdir(exist_ok=True, parents=True)
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else {}
    parquet.write_table(pa.table(rows(labels, form)).replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize("form", ["struct", "bytes"])
def test_a_table_of_encoded_images(tmp_path, form):
    parts = read_data(write(tmp_path / "t.parquet", [2, 0, 1, 0], form))
    assert parts.class_names == tuple(NAMES)
    assert parts.train.target.tolist() == [2, 0, 1, 0]
    assert (parts.train.kind, reds(parts.train)) == ("items", [0, 1, 2, 3])
    said = " ".join(parts.notes)
    assert "images are read from the column 'image', as bytes" in said
    assert "columns that are not used: filename" in said


def test_without_declared_names_the_labels_are_the_names(tmp_path):
    parts = read_data(write(tmp_path / "t.parquet", [5, 3, 5], names=[]))
    assert (parts.class_names, parts.train.target.tolist()) == (("3", "5"), [1, 0, 1])


def test_declared_names_of_other_labels_are_noted(tmp_path):
    parts = read_data(write(tmp_path / "t.parquet", [7, 0, 7]))
    assert parts.class_names == ("0", "7")
    assert "names 3 classes, but has other labels" in " ".join(parts.notes)


def test_a_pandas_table_in_memory():
    parts = read_data(pd.DataFrame(rows(["a", "b", "a"])))
    assert (parts.class_names, reds(parts.train)) == (("a", "b"), [0, 1, 2])


def test_the_given_column_is_read(tmp_path):
    frame = pd.DataFrame(rows(["a", "b", "a"])).assign(thumbnail=[picture(99)] * 3)
    assert reds(read_data(frame, path_column="thumbnail").train) == [99, 99, 99]
    frame.to_parquet(tmp_path / "t.parquet")
    files = read_data(tmp_path / "t.parquet", path_column="filename").train.files
    assert files == ("no such file.png",) * 3


def test_paths_in_the_index_of_a_table_of_images_are_not_noted():
    frame = pd.DataFrame(rows(["a", "b", "a"])).assign(width=8)
    parts = read_data(frame.set_axis(["x.png", "y.png", "z.png"]))
    assert reds(parts.train) == [0, 1, 2]
    assert "index" not in " ".join(parts.notes)


def test_a_label_that_is_no_decimal_number_is_a_name(tmp_path):
    path = write(tmp_path / "t.parquet", ["²", "1", "²"])
    assert read_data(path).class_names == ("1", "²")


def test_identifiers_in_bytes_are_no_images():
    frame = pd.DataFrame({"id": [b"0f", b"1f", b"2f"], "x": [1.0, 2.0, 3.0], "label": ["a", "b", "a"]})
    assert read_data(frame).train.kind == "features"
    assert reds(read_data(frame.assign(photo=[picture(number) for number in range(3)])).train) == [0, 1, 2]


def test_the_network_sees_what_it_would_see_of_files(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a.jpg", "b.png"):
        Image.fromarray(random.integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(tmp_path / name)
    files = Samples(np.array([0, 1]), ("a", "b"), files=("a.jpg", "b.png"), root=tmp_path)
    contents = [(tmp_path / name).read_bytes() for name in ("a.jpg", "b.png")]
    encoded = read_data(pd.DataFrame({"image": contents, "label": ["a", "b"]})).train
    of_files, of_bytes = image_loader(files, size=24), image_loader(encoded, size=24)
    for index in range(2):
        assert np.array_equal(of_files(index), of_bytes(index))


@pytest.mark.parametrize("draw", [TrainingImage("light", 24, 24), CentreSquare(24)])
def test_training_sees_what_it_would_see_of_files(tmp_path, draw):
    """A JPEG is decoded at a reduced size, by a worker where there are any, to which its bytes are sent."""
    y, x = np.mgrid[0:600, 0:800]
    for name, size in (("a.jpg", (800, 600)), ("b.jpg", (90, 70))):
        pixels = np.stack([x % 256, y % 256, (x + y) % 256], axis=2).astype(np.uint8)
        Image.fromarray(pixels).resize(size).save(tmp_path / name)
    files = Samples(np.array([0, 1]), ("a", "b"), files=("a.jpg", "b.jpg"), root=tmp_path)
    contents = [(tmp_path / name).read_bytes() for name in ("a.jpg", "b.jpg")]
    encoded = read_data(pd.DataFrame({"image": contents, "label": ["a", "b"]})).train
    for index in range(2):
        sent = pickle.loads(pickle.dumps(source_of(encoded)(index)))
        assert np.array_equal(draw(sent, 7), draw(source_of(files)(index), 7))
    assert len(pickle.dumps(source_of(encoded)(0))) < len(contents[0]) + 300


@pytest.mark.parametrize("missing", [None, {"bytes": None, "path": "x.png"}, {"bytes": b"", "path": "x.png"}])
def test_a_row_without_an_image_is_a_bad_file(tmp_path, missing):
    table = pa.table(rows(["a", "b", "a"]) | {"image": [*rows(["a", "b"])["image"], missing]})
    parquet.write_table(table, tmp_path / "t.parquet")
    data = read_data(tmp_path / "t.parquet")
    bad = r"1 of 3 images of train can't be decoded: .*t.parquet:2\. .*t.parquet:2 must be .* it has no bytes.*skip\."
    with pytest.raises(ValueError, match=bad):
        check_files(data)
    left = check_files(data, on_bad_file="skip")
    assert (reds(left.train), left.train.target.tolist()) == ([0, 1], [0, 1])
    assert "1 of 3 images are bad and left out: " in left.notes[-1]
    (found,) = [finding for finding in part_findings(data) if "corrupt" in finding.what]
    assert "t.parquet:2" in found.where + found.what


def test_parts_keep_their_images_and_rows(tmp_path):
    data = read_data(write(tmp_path / "t.parquet", [0, 1, 2] * 10))
    parts = make_splits(data, validation=0.2, test=0.2, seed=0)
    for samples in (parts.train, parts.validation, parts.test):
        assert [f"{tmp_path / 't.parquet'}:{red}" for red in reds(samples)] == samples.items.names
        assert samples.target.tolist() == [red % 3 for red in reds(samples)]
        assert samples.name(0) == samples.items.names[0]
    frame = pd.DataFrame(rows(["a", "b"] * 3)).assign(split=["train", "train", "test"] * 2)
    assert reds(read_data(frame).test) == [2, 5]


def test_other_images_have_another_fingerprint():
    frame = pd.DataFrame(rows(["a", "b", "a"]))
    first = read_data(frame).train
    assert read_data(frame.copy()).train.fingerprint == first.fingerprint
    frame.at[0, "image"] = picture(77)
    second = read_data(frame).train
    assert second.fingerprint != first.fingerprint
    assert second.content != first.content


def test_images_are_turned_as_a_viewer_shows_them():
    image = Image.new("RGB", (8, 6))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    frame = pd.DataFrame({"image": [file.getvalue()] * 2, "label": ["a", "b"]})
    assert read_data(frame).train.items[0][0].size == (6, 8)


@pytest.mark.parametrize("inside", ["", "data"])
def test_a_folder_of_parquet_files(tmp_path, inside):
    (tmp_path / "README.md").write_text("a data set")
    write(tmp_path / inside / "train-00000-of-00002.parquet", [0, 1])
    write(tmp_path / inside / "train-00001-of-00002.parquet", [2, 0])
    write(tmp_path / inside / "test-00000-of-00001.parquet", [1, 1])
    parts = read_data(tmp_path)
    assert (parts.train.target.tolist(), parts.test.target.tolist()) == ([0, 1, 2, 0], [1, 1])
    assert parts.class_names == tuple(NAMES)
    assert reds(parts.train) == [0, 1, 0, 1]


def test_files_that_name_no_part(tmp_path):
    write(tmp_path / "a.parquet", [0, 1])
    write(tmp_path / "b.parquet", [2, 0])
    assert read_data(tmp_path).train.target.tolist() == [0, 1, 2, 0]
    write(tmp_path / "train.parquet", [2, 1, 2])
    parts = read_data(tmp_path)
    assert parts.train.target.tolist() == [2, 1, 2]
    assert "2 files of no part are left out: a.parquet, b.parquet" in " ".join(parts.notes)


def test_an_index_of_labels_is_kept(tmp_path):
    for number, names in enumerate(("aab", "ba")):
        frame = pd.DataFrame({"image": [picture(number)] * len(names), "label": list(names)}).set_index("label")
        frame.to_parquet(tmp_path / f"train-{number}.parquet")
    assert read_data(tmp_path).train.target.tolist() == [0, 0, 1, 1, 0]


def test_a_folder_without_training_files_is_refused(tmp_path):
    write(tmp_path / "test-0.parquet", [0, 1])
    with pytest.raises(ValueError, match="`data` must hold a part named train. Got .*, which holds test alone"):
        read_data(tmp_path)


def test_files_of_a_part_have_the_same_columns(tmp_path):
    write(tmp_path / "train-0.parquet", [0, 1])
    pd.DataFrame({"x": [1.0], "label": [0]}).to_parquet(tmp_path / "train-1.parquet")
    with pytest.raises(
        ValueError, match=r"train-1.parquet must have the columns of train-0.parquet. It lacks image.* and has also x"
    ):
        read_data(tmp_path)


@pytest.mark.parametrize("whole", [True, False])
def test_files_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch, whole):
    for number in range(2):
        write(tmp_path / f"train-{number}.parquet", [0, 1, 2] * 50)
    size = table_file.MEMORY_OF_CELLS * parquet.read_metadata(tmp_path / "train-0.parquet").row_group(0).total_byte_size
    monkeypatch.setattr(table_file, "free_memory", lambda: size + size // 2)  # one of them would fit
    if whole:
        with pytest.raises(ValueError, match=r"the files of .* must fit into memory. They take about"):
            read_data(tmp_path)
    else:
        assert len(read_data(tmp_path / "train-0.parquet").train) == 150


def test_a_table_beside_class_folders_stays_beside_them(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(picture(1))
    write(tmp_path / "labels.parquet", [0, 1])
    assert read_data(tmp_path).train.files == ("ant/1.png", "bee/1.png")


def test_a_network_is_trained_on_them(tmp_path):
    path = write(tmp_path / "t.parquet", [0, 1, 2] * 10)
    config: DataConfig = OwnDataConfig(dataset="own", size=8, mean=(0.5,) * 3, std=(0.5,) * 3)
    splits = load_splits(config, path, torch.device("cpu"))
    images = torch.cat(list(splits.train.in_order()))
    assert images.shape[1:] == (3, 8, 8)
    shown = splits.train.pictures(np.array([0]))
    assert shown is not None
    assert shown[0].shape[2] == 3


def test_damaged_images_are_found_before_work_starts():
    frame = pd.DataFrame(rows(["a", "b", "a", "b"], "bytes"))
    frame.at[1, "image"] = picture(1)[:40]
    data = read_data(frame)
    with pytest.raises(ValueError, match=r"1 of 4 images of train can't be decoded: sample 1\. .*--on-bad-file skip"):
        check_files(data)
    assert data.train.items.decoded(0).size == (8, 6)
    frame.at[1, "image"] = b"no image"
    with pytest.raises(BadImageError, match=r"It can't be decoded: cannot identify image file\.$"):
        read_data(frame).train.items.decoded(1)
    left = check_files(data, on_bad_file="skip")
    assert left.train.items.names == ["sample 0", "sample 2", "sample 3"]
    assert "1 of 4 images are bad and left out: sample 1" in " ".join(left.notes)


def test_the_doctor_says_how_far_it_is(monkeypatch):
    monkeypatch.setattr("longtail.doctor.prints.AT_ONCE", 2)
    told = []
    samples = read_data(pd.DataFrame(rows(["a", "b", "a", "b"], "bytes"))).train
    found = prints_of(samples, lambda _, share: told.append(share))
    assert (told, len({image.exact for image in found})) == ([0.5, 1.0], 4)


def test_the_doctor_looks_at_them():
    frame = pd.DataFrame(rows(["a", "b", "a", "b"], "bytes"))
    frame["image"] = [picture(7), picture(7), picture(8), b"no image"]
    said = " ".join(f"{finding.what} {finding.where}" for finding in part_findings(read_data(frame)))
    assert "1 of 4 images are corrupt or truncated" in said
    assert "in two classes sample 0" in said


def test_shards_that_name_the_classes_in_another_order_are_matched_by_name(tmp_path):
    write(tmp_path / "train-0.parquet", [0, 1, 1])
    write(tmp_path / "train-1.parquet", [0, 1, 2, 3], names=["cow", "ant", "3", "dog"])
    parts = read_data(tmp_path)
    assert parts.class_names == ("ant", "bee", "cow", "3", "dog")
    assert [parts.class_names[code] for code in parts.train.target] == ["ant", "bee", "bee", "cow", "ant", "3", "dog"]


def test_a_shard_that_names_no_classes_is_refused_beside_one_that_does(tmp_path):
    write(tmp_path / "train-0.parquet", [0, 1])
    write(tmp_path / "train-1.parquet", [1, 0], names=[])
    with pytest.raises(ValueError, match=r"train-1.parquet must hold names of classes in the column 'label', .* as 1"):
        read_data(tmp_path)
    write(tmp_path / "train-1.parquet", ["bee", "ant"], names=[])
    assert read_data(tmp_path).train.target.tolist() == [0, 1, 1, 0]
    write(tmp_path / "train-1.parquet", [0, 2], names=["bee", "ant"])
    with pytest.raises(ValueError, match=r"train-1.parquet must hold names of classes in the column 'label', .* as 0"):
        read_data(tmp_path)


def test_numbers_in_one_file_and_names_in_another_are_refused(tmp_path):
    write(tmp_path / "train-0.parquet", [1, 1], names=[])
    write(tmp_path / "train-1.parquet", ["1", "2"], names=[])
    assert read_data(tmp_path).class_names == ("1", "2")
    write(tmp_path / "train-1.parquet", ["ant", "2"], names=[])
    with pytest.raises(
        ValueError, match=r"train-0.parquet must hold names of classes.* as train-1.parquet does.* as 1\."
    ):
        read_data(tmp_path)


def test_text_is_matched_with_declared_names_and_never_taken_for_their_places(tmp_path):
    path = write(tmp_path / "t.parquet", ["2", "0", "0"], names=["2", "1", "0"])
    parts = read_data(path)
    assert [parts.class_names[code] for code in parts.train.target] == ["2", "0", "0"]


def test_declared_names_are_read_as_labels_are(tmp_path):
    write(tmp_path / "train.parquet", [0, 1, 0], names=["a\u0308sche", " cod "])
    write(tmp_path / "test.parquet", ["cod", "äsche"], names=[])
    parts = read_data(tmp_path)
    assert (parts.class_names, parts.test.target.tolist()) == (("äsche", "cod"), [1, 0])


def test_groups_and_parts_that_are_indices_of_declared_names(tmp_path):
    columns = {"group": ["pond", "river"], "split": ["test", "train"], "label": NAMES}
    features = {name: {"names": names, "_type": "ClassLabel"} for name, names in columns.items()}
    table = pa.table(rows([0, 1, 2, 1]) | {"group": [1, 1, 0, 0], "split": [1, 1, 1, 0]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "t.parquet")
    parts = read_data(tmp_path / "t.parquet")
    assert (parts.train.groups.tolist(), parts.test.groups.tolist()) == (["river", "river", "pond"], ["pond"])


def test_columns_of_shards_are_matched_by_name(tmp_path):
    write(tmp_path / "train-0.parquet", [0, 1])
    shard = parquet.read_table(write(tmp_path / "train-1.parquet", [2, 0]))
    parquet.write_table(shard.select(["label", "filename", "image"]), tmp_path / "train-1.parquet")
    assert read_data(tmp_path).train.target.tolist() == [0, 1, 2, 0]


def test_a_part_may_be_named_by_any_word_of_a_name(tmp_path):
    write(tmp_path / "insects-train.parquet", [0, 1])
    write(tmp_path / "insects_test-00000-of-00001-3a5f.parquet", [2, 0, 1])
    parts = read_data(tmp_path)
    assert (parts.train.target.tolist(), parts.test.target.tolist()) == ([0, 1], [2, 0, 1])


def test_files_may_be_counted_from_1(tmp_path):
    for number in (1, 2):
        write(tmp_path / f"train-{number}-of-2.parquet", [0, 1])
    assert len(read_data(tmp_path).train) == 4


@pytest.mark.parametrize("here", [["00001-of-00003"], ["00000-of-00003", "00001-of-00003"]])
def test_missing_files_of_a_part_are_named(tmp_path, here):
    for name in here:
        write(tmp_path / f"train-{name}.parquet", [0, 1])
    with pytest.raises(ValueError, match=r"hold all 3 files .* Got .: train-0000[02]-of-00003.parquet is missing"):
        read_data(tmp_path)
    write(tmp_path / "train-00000-of-00001.parquet", [0, 1])
    with pytest.raises(ValueError, match=r"train-00000-of-00001.parquet and train-0000.-of-00003.parquet are of two"):
        read_data(tmp_path)


def test_images_are_found_after_many_empty_rows():
    frame = pd.DataFrame(rows(["a", "b"] * 60))
    frame["image"] = [{"bytes": None, "path": "x.png"}] * 119 + [frame["image"].iloc[-1]]
    with pytest.raises(ValueError, match="119 of 120 images of train can't be decoded: sample 0, sample 1"):
        check_files(read_data(frame))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"bytes": None, "path": "x.png"}, "bytes of the images of 'image'. It holds their paths alone"),
        ([{"bytes": picture(1), "path": "x.png"}], "one image in each row of 'image'. It holds lists"),
        ([picture(1)], "one image in each row of 'image'. It holds lists"),
    ],
)
def test_images_in_another_form_are_refused(tmp_path, image, message):
    table = pa.table({"image": [image] * 3, "label": [0, 1, 0]})
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=message):
        read_data(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="must hold paths as text in the column 'image'. Got (dict|ndarray): "):
        read_data(tmp_path / "t.parquet", path_column="image")


def test_a_column_of_images_is_no_column_of_labels_or_parts(tmp_path):
    write(tmp_path / "train.parquet", [0, 1, 1])
    with pytest.raises(ValueError, match=r"the column 'image' of \S* must hold classes. It holds images: name"):
        read_data(tmp_path, label="image")
    with pytest.raises(ValueError, match=r"the column 'image' of .* must hold train, .* Got .\{'bytes'.{50,70}Row 0"):
        read_data(tmp_path, split="image")


def test_a_column_split_of_lists_names_no_parts():
    frame = pd.DataFrame(rows(["a", "b", "a"])).assign(split=pd.Series([["x"], ["y"], ["z"]], dtype=object))
    assert read_data(frame).test is None


@pytest.mark.parametrize("again", ["crane", " crane"])
def test_a_class_that_is_declared_twice_is_refused(tmp_path, again):
    path = write(tmp_path / "train.parquet", [0, 1, 2], names=["crane", "bee", again])
    for data in (path, tmp_path):
        with pytest.raises(ValueError, match=f"each class of the column 'label' once. Got '{again}' for 0 and 2"):
            read_data(data)
    labels = write(tmp_path / "names.parquet", ["crane", "bee", "crane"], names=["crane", "bee", again])
    assert read_data(labels).class_names == ("crane", "bee")  # they are no indices
    other = pa.table(rows([7, 9, 7])).replace_schema_metadata(parquet.read_schema(path).metadata)
    parquet.write_table(other, tmp_path / "other.parquet")
    assert read_data(tmp_path / "other.parquet").class_names == ("7", "9")


def shards(folder, columns, change):
    """Two shards of two rows; `change` is made to columns of the second."""
    for number in (0, 1):
        table = pa.table(columns | (change if number else {}))
        parquet.write_table(table, folder / f"train-{number}.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"label": ["a", None]},
            r"hold a label in each row. Row 1 of {} has none in the column 'label' \(1 of 4 rows\)",
        ),
        ({"label": [3, -1]}, "labels of at least 0. Got -1 at row 1 of {}"),
        ({"label": [3.0, 0.5]}, "classes: integers or names. Got 0.5 at row 1 of {}"),
        ({"x": [1.0, float("inf")]}, "a finite number .* Row 1 of {} has none in the column 'x'"),
        ({"group": ["a", ""]}, "name a group in each row. Row 1 of {} names none"),
        ({"split": ["train", "other"]}, r"must hold train, .* Got 'other' \(Row 1 of {}\)"),
    ],
)
def test_errors_name_the_file_of_a_part_and_its_row(tmp_path, change, message):
    columns = {"x": [1.0, 2.0], "label": [5, 7], "group": ["a", "b"], "split": ["train", "test"]}
    if isinstance(change.get("label", [0])[0], str):
        columns["label"] = ["a", "b"]
    shards(tmp_path, columns, change)
    with pytest.raises(ValueError, match=message.format(".*train-1.parquet")):
        read_data(tmp_path)


def test_images_are_named_by_their_file_and_its_row(tmp_path):
    columns = {"image": [picture(0), picture(1)], "label": ["a", "b"]}
    shards(tmp_path, columns, {"image": [picture(2), b"no image"]})
    data = read_data(tmp_path)
    with pytest.raises(ValueError, match=r"1 of 4 images of train can't be decoded: \S*train-1.parquet:1\. "):
        check_files(data)
    assert data.train.take([2]).name(0) == f"{tmp_path / 'train-1.parquet'}:0"
    assert (
        data.train.fingerprint
        == read_data(pd.concat(map(pd.read_parquet, sorted(tmp_path.iterdir())))).train.fingerprint
    )


def test_a_column_of_parts_may_repeat_what_the_name_of_a_file_says(tmp_path):
    for part, labels in (("train", [0, 1, 0]), ("test", [1, 0])):
        table = pa.table(rows(labels) | {"split": [part] * len(labels)})
        parquet.write_table(table, tmp_path / f"{part}-0.parquet")
    parts = read_data(tmp_path)
    assert (len(parts.train), len(parts.test)) == (3, 2)
    parquet.write_table(pa.table(rows([0, 1]) | {"split": ["train", "test"]}), tmp_path / "test-0.parquet")
    with pytest.raises(
        ValueError, match="test-0.parquet must hold samples of test alone.* names train and test: rename"
    ):
        read_data(tmp_path)


def test_a_column_that_says_train_contradicts_the_name_of_a_test_file(tmp_path):
    parquet.write_table(pa.table(rows([0, 1, 0]) | {"split": ["train"] * 3}), tmp_path / "test-0.parquet")
    with pytest.raises(ValueError, match=r"samples of test alone, as the names say. A column names train: rename"):
        read_data(tmp_path, require_train=False)


@pytest.mark.parametrize(
    ("read", "beside"),
    [
        ("data/train-0", "test"),
        ("data/train-0", "other/test"),
        ("train/0000", "test"),
        ("data/train/0000", "data/test"),
        ("small/train", "test"),
        ("small/train/0000", "small/test"),
    ],
)
def test_files_beside_the_folders_of_others_are_refused(tmp_path, read, beside):
    write(tmp_path / f"{read}.parquet", [0, 1, 0])
    assert len(read_data(tmp_path).train) == 3
    write(tmp_path / f"{beside}.parquet", [0, 1])
    with pytest.raises(ValueError, match=rf"in one folder for each part. It holds {beside}.parquet beside "):
        read_data(tmp_path)


def test_folders_of_parts_may_be_named_as_parquet_files(tmp_path):
    for name, labels in (("train", [0, 1]), ("test", [1])):
        write(tmp_path / f"{name}.parquet" / "part-0.parquet", labels)
    assert [len(part) for _, part in read_data(tmp_path).items()] == [2, 1]


@pytest.mark.parametrize("folder", ["", "test", "data"])
def test_other_files_beside_those_of_a_part_are_noted(tmp_path, folder):
    write(tmp_path / folder / "test-0.parquet", [0, 1, 0])
    (tmp_path / folder / "README.md").write_text("a data set")
    (tmp_path / folder / "train.csv").write_text("path,label")
    data = read_data(tmp_path, require_train=False)
    assert len(data.test) == 3
    name = "test/" if folder == "test" else ""
    assert f"2 files that are not Parquet are left out: {name}README.md, {name}train.csv." in " ".join(data.notes)


def test_a_part_is_given_by_a_folder_that_holds_it_alone(tmp_path):
    write(tmp_path / "a/train.parquet", [0, 1, 0])
    write(tmp_path / "b/test-0.parquet", [1, 0])
    parts = read_data(tmp_path / "a", test=tmp_path / "b")
    assert parts.test.target.tolist() == [1, 0]


def test_without_training_samples_the_part_of_them_is_empty(tmp_path):
    write(tmp_path / "validation-0.parquet", [1, 0])
    parts = read_data(tmp_path, require_train=False)
    assert (len(parts.train), parts.validation.target.tolist(), list(parts.given())) == (0, [1, 0], ["validation"])
    assert parts.class_names == tuple(NAMES)
    assert list(check_files(parts).given()) == ["validation"]


@pytest.mark.parametrize("inside", ["default", "", "data"])
@pytest.mark.parametrize("validation", ["validation", "val"])
def test_a_folder_for_each_part_as_the_hub_converts_data_sets(tmp_path, inside, validation):
    (tmp_path / "README.md").write_text("a data set")
    (tmp_path / ".cache").mkdir()
    for name, labels in (
        ("train/0000", [0, 1]),
        ("train/0001", [2, 0]),
        ("test/0000", [1]),
        (f"{validation}/0000", [2]),
    ):
        write(tmp_path / inside / f"{name}.parquet", labels)
    parts = read_data(tmp_path)
    found = {name: part.target.tolist() for name, part in parts.items()}
    assert found == {"train": [0, 1, 2, 0], "validation": [2], "test": [1]}
    assert parts.train.name(3) == f"{tmp_path / inside / 'train' / '0001.parquet'}:1"
    train = read_data(tmp_path / inside / "train")
    assert (train.train.target.tolist(), train.test) == ([0, 1, 2, 0], None)


def test_files_of_a_configuration_lie_in_its_folder(tmp_path):
    write(tmp_path / "small" / "train-00000-of-00001.parquet", [0, 1, 0])
    write(tmp_path / "small" / "test-00000-of-00001.parquet", [1])
    assert [len(part) for _, part in read_data(tmp_path).items()] == [3, 1]
    write(tmp_path / "large" / "train" / "0000.parquet", [0, 1])
    with pytest.raises(ValueError, match="must hold one data set. It holds 2: large, small. Give the folder of one"):
        read_data(tmp_path)
    assert len(read_data(tmp_path / "large").train) == 2


def test_folders_that_are_no_part_are_left_out_and_those_of_one_part_refused(tmp_path):
    write(tmp_path / "train/0000.parquet", [0, 1])
    write(tmp_path / "unsupervised/0000.parquet", [0, 1])
    said = " ".join(read_data(tmp_path).notes)
    assert "1 file of no part is left out: unsupervised/0000.parquet" in said
    write(tmp_path / "partial-train/0000.parquet", [0, 1])
    with pytest.raises(ValueError, match="one folder for each part. Got partial-train and train. Remove one"):
        read_data(tmp_path)
    (tmp_path / "train/0000.parquet").unlink()
    (tmp_path / "train").rmdir()
    assert "partial-train holds the beginning of train alone" in " ".join(read_data(tmp_path).notes)


def test_a_number_that_is_left_out_is_a_missing_file(tmp_path):
    for name in ("train/0000", "train/0002", "test/0000"):
        write(tmp_path / f"{name}.parquet", [0, 1])
    with pytest.raises(ValueError, match="train must hold the files of all numbers. 0001.parquet is missing"):
        read_data(tmp_path)
    for name in ("2019", "2021"):
        write(tmp_path / "years" / f"{name}.parquet", [0, 1])
    assert len(read_data(tmp_path / "years").train) == 4
    for number, (name, missing) in enumerate([("train-{}", "train-2"), ("fish-train-0{}", "fish-train-02")]):
        for shard in (1, 3):
            write(tmp_path / str(number) / f"{name.format(shard)}.parquet", [0, 1])
        with pytest.raises(ValueError, match=f"of all numbers. {missing}.parquet is missing. Download it, or number"):
            read_data(tmp_path / str(number))


def test_class_folders_are_none_of_parts(tmp_path):
    for name in ("train/ant", "train/bee", "test/ant"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.png").write_bytes(picture(1))
    write(tmp_path / "train/labels.parquet", [0, 1])
    assert read_data(tmp_path).train.files == ("ant/1.png", "bee/1.png")


def test_files_of_one_part_with_several_names_are_noted(tmp_path):
    write(tmp_path / "train-00000-of-00001.parquet", [0, 1])
    write(tmp_path / "train_small-00000-of-00001.parquet", [0, 1])
    data = read_data(tmp_path)
    assert len(data.train) == 4
    assert "train is read from files of 2 names: train, train_small" in " ".join(data.notes)


def test_a_root_is_refused_where_nothing_is_relative_to_it(tmp_path):
    table = pd.DataFrame({"image": [picture(1)] * 2, "label": ["ant", "bee"]})
    with pytest.raises(ValueError, match="`root` must be left out for images as bytes. Got"):
        read_data(table, root=tmp_path)
    with pytest.raises(ValueError, match="`root` must be left out for a table without a column of paths. Got"):
        read_data(table.assign(image=[0.5, 1.0]), root=tmp_path)
