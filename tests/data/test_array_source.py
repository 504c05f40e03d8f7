import numpy as np
import pandas as pd
import pytest
import torch

from longtail.data import class_counts, read_data

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 1, 0, 2, 0])


def test_the_layout_of_medmnist(tmp_path):
    """(N, 1) labels of uint8, grey or colour images, three parts in one file."""
    arrays = {f"{part}_images": IMAGES[: 7 - size] for size, part in enumerate(("train", "val", "test"), 1)}
    arrays |= {
        f"{part}_labels": LABELS[: 7 - size, None].astype(np.uint8)
        for size, part in enumerate(("train", "val", "test"), 1)
    }
    np.savez(tmp_path / "mnist.npz", **arrays)
    parts = read_data(tmp_path / "mnist.npz")
    assert {name: len(part) for name, part in parts.items()} == {"train": 6, "validation": 5, "test": 4}
    assert parts.train.class_counts.tolist() == [3, 2, 1]
    assert parts.test.class_counts.tolist() == [2, 2, 0]
    np.testing.assert_array_equal(parts.validation.images, IMAGES[:5])


def test_labels_that_were_shuffled_alone_are_refused():
    table, labels = pd.DataFrame(RANDOM.normal(size=(6, 2))), pd.Series(LABELS)
    with pytest.raises(ValueError, match=r"`y` must be in the order of its samples. .* pass y.loc\[X.index\]"):
        read_data((table, labels[::-1]))
    assert read_data((table, labels[::-1].loc[table.index])).train.class_counts.tolist() == [3, 2, 1]
    assert len(read_data((table, labels.set_axis(range(10, 16)))).train) == 6


def test_masked_values_are_refused():
    inputs = np.ones((len(LABELS), 2), dtype=np.float32)
    with pytest.raises(TypeError, match="`X` must have no masked values"):
        read_data((np.ma.masked_array(inputs, mask=np.arange(inputs.size).reshape(inputs.shape) == 3), LABELS))
    with pytest.raises(TypeError, match="`y` must have no masked values"):
        read_data((inputs, np.ma.masked_array(LABELS, mask=np.arange(len(LABELS)) == 1)))


def test_a_sparse_matrix_is_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"`X` must be a dense array. Got a csr_\w+: pass `X.toarray\(\)`"):
        read_data((sparse.csr_array(np.eye(6)), LABELS))


@pytest.mark.parametrize(
    "names", [("x", "y"), ("images", "labels"), ("X_train", "y_train"), ("train_data", "train_target")]
)
def test_usual_names_of_arrays(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict(zip(names, (IMAGES[..., 0], LABELS), strict=True)), extra=np.zeros(3))
    parts = read_data(tmp_path / "a.npz")
    np.testing.assert_array_equal(parts.train.images, IMAGES[..., 0])
    assert parts.notes == (f"{tmp_path}/a.npz: the array 'extra' is not used.",)


def test_features_groups_and_names_of_classes(tmp_path):
    features = RANDOM.normal(size=(6, 3))
    np.savez(
        tmp_path / "a.npz",
        features=features,
        labels=LABELS,
        groups=[5, 5, 6, 6, 7, 7],
        class_names=["c", "b", "a", "d"],
    )
    parts = read_data(tmp_path / "a.npz")
    assert parts.class_names == ("c", "b", "a", "d")  # the file's own order
    assert parts.train.class_counts.tolist() == [3, 2, 1, 0]
    assert parts.train.groups.tolist() == ["5", "5", "6", "6", "7", "7"]
    np.testing.assert_array_equal(parts.train.features, features.astype(np.float32))
    np.savez(
        tmp_path / "a.npz",
        features=features,
        labels=np.array(["b", "a", "a", "b", "c", "b"]),
        class_names=["c", "b", "a"],
    )
    assert read_data(tmp_path / "a.npz").train.target.tolist() == [1, 2, 2, 1, 0, 1]


@pytest.mark.parametrize("groups", [[1, np.nan, 1, np.nan, 2, 2], ["a", "", "a", " ", "b", "b"]])
def test_samples_without_a_group_are_no_group(tmp_path, groups):
    np.savez(tmp_path / "a.npz", features=RANDOM.normal(size=(6, 3)), labels=LABELS, groups=groups)
    with pytest.raises(ValueError, match="a.npz must hold a group for each sample. Sample 1 has none"):
        read_data(tmp_path / "a.npz")


def test_channels_may_come_first_and_a_single_one_is_grey(tmp_path):
    parts = read_data((np.moveaxis(IMAGES, 3, 1), LABELS))
    np.testing.assert_array_equal(parts.train.images, IMAGES)
    assert "is read as channels" in parts.notes[0]
    assert read_data((IMAGES[..., :1], LABELS)).train.images.shape == (6, 5, 7)


def test_pairs_in_memory():
    parts = read_data((torch.zeros(6, 2), ["b", "a", "a", "b", "b", "b"]), test=(np.ones((2, 2)), ["a", "b"]))
    assert parts.class_names == ("a", "b")
    assert parts.train.target.tolist() == [1, 0, 0, 1, 1, 1]
    assert parts.test.features.dtype == np.float32
    ids = read_data((np.zeros((4, 1)), [1_000_000_055, 10, 2280, 10]))
    assert ids.class_names == ("10", "2280", "1000000055")
    assert class_counts((np.zeros((4, 1)), [1_000_000_055, 10, 2280, 10])).tolist() == [2, 1, 1]


def test_columns_of_a_table_are_matched_by_name():
    frame = pd.DataFrame({"u": [1.0, 2, 3], "v": [4.0, 5, 6]})
    parts = read_data((frame, ["a", "b", "a"]), test=(frame[["v", "u"]], ["a", "b", "b"]))
    np.testing.assert_array_equal(parts.test.features, parts.train.features)
    assert parts.train.feature_names == ("u", "v")


def test_an_array_names_the_part_of_each_sample(tmp_path):
    arrays = {"features": RANDOM.normal(size=(6, 3)).astype(np.float32), "labels": LABELS, "path": list("abcdef")}
    part = ["train", "test", "train", "validation", "train", "test"]
    np.savez(tmp_path / "a.npz", part=part, **arrays)
    parts = read_data(tmp_path / "a.npz")
    for name, own in parts.items():
        rows = [row for row, named in enumerate(part) if named == name]
        np.testing.assert_array_equal(own.features, arrays["features"][rows])
        assert [own.class_names[code] for code in own.target] == [str(LABELS[row]) for row in rows]
    assert [len(own) for _, own in parts.items()] == [3, 1, 2]
    assert parts.notes == (
        f"{tmp_path}/a.npz: the array 'path' is not used.",
        f"{tmp_path}/a.npz: parts are read from the array 'part'.",
    )
    np.savez(tmp_path / "a.npz", part=["left", "right"] * 3, **arrays)  # of another meaning
    assert read_data(tmp_path / "a.npz").notes[0] == f"{tmp_path}/a.npz: the array 'part' is not used."
    for wrong, message in ((["test"] * 6, "which holds test alone"), (part[:5], "must name a part for each sample in")):
        np.savez(tmp_path / "a.npz", part=wrong, **arrays)
        with pytest.raises(ValueError, match=message):
            read_data(tmp_path / "a.npz")


def test_npy_comes_with_a_file_of_labels(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS)
    assert read_data(tmp_path / "x.npy", label=str(tmp_path / "y.npy")).train.class_counts.tolist() == [3, 2, 1]
    np.save(tmp_path / "test.npy", IMAGES)
    for part in ("val", "test"):
        with pytest.raises(ValueError, match=rf"`{part}` must hold labels of its own. .*y.npy holds those of train"):
            read_data(tmp_path / "x.npy", label=str(tmp_path / "y.npy"), **{part: tmp_path / "test.npy"})
    with pytest.raises(ValueError, match="must come with labels, in a file of their own: --label labels.npy"):
        read_data(tmp_path / "x.npy")


def test_label_names_an_array(tmp_path):
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS, species=LABELS[::-1])
    parts = read_data(tmp_path / "a.npz", label="species")
    np.testing.assert_array_equal(parts.train.target, LABELS[::-1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "must hold labels of train, an array such as 'labels'. Got images"),
        ({"labels": LABELS}, "must hold inputs of train, an array such as 'images'"),
        ({"other": LABELS}, "must hold inputs and labels, such as `images` and `labels`. Got other"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "one label for each input. Got 6 in 'images' and 5 in 'labels'"),
        ({"images": IMAGES / 255, "labels": LABELS}, "must hold images as uint8, 0 to 255. Got float64"),
        ({"images": IMAGES[..., :2], "labels": LABELS}, "must hold images of 1, 3 or 4 channels"),
        ({"x": np.full((6, 2), np.nan), "y": LABELS}, "must hold finite numbers. Got nan at sample 0, column 0"),
        ({"x": np.zeros((6, 2)), "y": np.eye(6)}, "one label for each sample"),
        ({"x": np.zeros((6, 2)), "y": np.arange(6)}, "All 6 labels differ"),
        ({"x": np.zeros((6, 2)), "images": IMAGES, "y": LABELS}, "must hold one array of inputs for train"),
        ({"x": np.array([{}] * 6), "y": LABELS}, "must hold plain arrays. It holds Python objects"),
        ({"x": np.zeros((6, 2)), "y": LABELS, "class_names": ["a", "b"]}, "must hold labels that `class_names` names"),
    ],
)
def test_arrays_that_are_no_data_set(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_data(tmp_path / "a.npz")


def test_a_pair_of_unequal_lengths_is_named():
    with pytest.raises(ValueError, match="`data` must hold one label for each sample. Got 60 samples and 59 labels"):
        read_data((np.zeros((60, 3)), ["a"] * 59))


def test_a_damaged_file_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS)
    whole = (tmp_path / "a.npz").read_bytes()
    for content in (whole[:-100], whole[:200], b"", b"no arrays"):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(ValueError, match=f"{tmp_path}/a.npz must "):
            read_data(tmp_path / "a.npz")


@pytest.mark.slow
def test_plankton(real_data):
    train = read_data(real_data / "plankton/ndsb48.npz").train
    assert train.images.shape == (30_336, 48, 48)
    assert (train.class_counts.max(), train.class_counts.min()) == (1_979, 9)


def test_names_of_a_file_are_read_as_labels_are(tmp_path):
    names = ["a\u0308sche", "cod"]  # decomposed
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.array(["cod", names[0], "cod"]), class_names=np.array(names))
    parts = read_data(tmp_path / "a.npz")
    assert (parts.class_names, parts.train.target.tolist()) == (("äsche", "cod"), [1, 0, 1])


@pytest.mark.parametrize("again", ["ant", " ant"])
def test_a_class_that_is_named_twice_is_refused(tmp_path, again):
    np.savez(tmp_path / "a.npz", features=np.zeros((3, 2)), labels=[0, 1, 2], class_names=["ant", "bee", again])
    with pytest.raises(ValueError, match="hold each name once in `class_names`. Got 'ant' for 0 and 2"):
        read_data(tmp_path / "a.npz")
