import gzip
import importlib
import json
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from longtail.data import class_counts, read_data


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


PATHS = "path,label\na b.png,cat\nb.png,dog\nc.png,cat\n"


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("t.csv", PATHS, "utf-8"),
        ("t.csv", PATHS, "utf-8-sig"),
        ("t.csv", PATHS, "utf-16"),
        ("t.csv", PATHS.replace("\n", "\r\n"), "utf-8"),
        ("t.csv", PATHS.replace(",", ";"), "utf-8"),
        ("t.tsv", PATHS.replace(",", "\t"), "utf-8"),
        ("t.csv", PATHS.replace("path", "File").replace("label", "Label"), "utf-8"),
        ("t.csv", PATHS.replace("path", "picture"), "utf-8"),
        ("t.txt", PATHS, "utf-8"),
        (
            "t.jsonl",
            "".join(
                json.dumps({"path": f, "label": n}) + "\n"
                for f, n in (("a b.png", "cat"), ("b.png", "dog"), ("c.png", "cat"))
            ),
            "utf-8",
        ),
    ],
)
def test_tables_of_paths(tmp_path, name, content, encoding):
    parts = read_data(write(tmp_path / name, content, encoding))
    assert parts.train.files == ("a b.png", "b.png", "c.png")
    assert parts.train.root == tmp_path
    assert parts.class_names == ("cat", "dog")
    assert parts.train.target.tolist() == [0, 1, 0]
    said = " ".join(parts.notes).lower()
    assert "labels are read from the column 'label'" in said
    assert "paths are read from the column" in said


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zip"])
def test_compressed_tables(tmp_path, suffix):
    path = tmp_path / f"t.csv{suffix}"
    pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": ["x", "y", "x"]}).to_csv(path, index=False)
    assert read_data(path).train.class_counts.tolist() == [2, 1]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="must be a whole compressed file. It is damaged"):
        read_data(path)


def test_a_compression_that_is_not_read_is_named(tmp_path):
    (tmp_path / "t.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd\x04\x00\x81")
    with pytest.raises(
        ValueError,
        match=r"must be plain, or packed as .gz, .bz2, .xz or .zip. Got Zstandard. Unpack it: zstd -d .*t.csv",
    ):
        read_data(tmp_path / "t.csv.zst")


def test_parquet_needs_pyarrow_and_says_so(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with (
        mock.patch.object(importlib, "import_module", side_effect=ModuleNotFoundError),
        pytest.raises(ModuleNotFoundError, match="t.parquet is a Parquet file, which pandas reads with pyarrow"),
    ):
        read_data(tmp_path / "t.parquet")


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame = pd.DataFrame({"image_path": ["a.png", "b.png", "c.png"], "label": [2280, 10, 10]})
    frame.to_parquet(tmp_path / "t.parquet")
    parts = read_data(tmp_path / "t.parquet")
    assert parts.class_names == ("10", "2280")
    assert parts.train.files == ("a.png", "b.png", "c.png")


PHOTOGRAPHS = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": [2280, 10, 10]})
INDEXED = {
    "usual name": (PHOTOGRAPHS.set_index("path"), {}),
    "names of images": (PHOTOGRAPHS.set_index("path").rename_axis("thumb"), {}),
    "no name": (PHOTOGRAPHS.set_index("path").rename_axis(None), {}),
    "an option names it": (PHOTOGRAPHS.assign(x=1.0).set_index("path"), {"path_column": "path"}),
    "beside labels of another name": (PHOTOGRAPHS.set_index("path").set_axis(["y"], axis=1), {}),
    "several levels": (PHOTOGRAPHS.set_index(["path", "label"]).assign(x=list("uvw")), {}),
    "labels": (PHOTOGRAPHS.set_index("label"), {}),
}


@pytest.mark.parametrize("where", ["file", "memory"])
@pytest.mark.parametrize("name", INDEXED)
def test_paths_and_labels_in_the_index(tmp_path, name, where):
    data, options = INDEXED[name]
    if where == "file":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        data.to_parquet(tmp_path / "t.parquet")
        data = tmp_path / "t.parquet"
    parts = read_data(data, **options)
    assert parts.class_names == ("10", "2280")
    assert parts.train.files == ("a.png", "b.png", "c.png")


@pytest.mark.parametrize("option", ["split", None])
def test_parts_and_groups_in_the_index(tmp_path, option):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame = pd.DataFrame({"x": np.arange(6.0), "label": list("abcabc"), "group": [1, 1, 2, 3, 3, 4]})
    table = pd.concat({"train": frame[:4], "test": frame[4:]}, names=["split"]).set_index("group", append=True)
    table.to_parquet(tmp_path / "t.parquet")
    for source in (table, tmp_path / "t.parquet"):
        parts = read_data(source, split=option)
        assert parts.train.features[:, 0].tolist() == [0, 1, 2, 3]
        assert parts.test.features[:, 0].tolist() == [4, 5]
        assert (parts.train.groups.tolist(), parts.test.groups.tolist()) == (["1", "1", "2", "3"], ["3", "4"])


def test_a_parquet_file_may_number_its_columns(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pd.DataFrame([[0.5, 0], [1.5, 1], [2.5, 0]]).to_parquet(tmp_path / "t.parquet")
    train = read_data(tmp_path / "t.parquet", label="1").train
    assert (train.features[:, 0].tolist(), train.target.tolist()) == ([0.5, 1.5, 2.5], [0, 1, 0])


def test_paths_in_the_index_of_a_table_of_features_are_named_and_not_read():
    frame = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "x": [1.0, 2.0, 3.0], "label": list("aba")})
    parts = read_data(frame.set_index("path"))
    assert parts.train.kind == "features"
    said = "the table: the paths in its index are not read, since columns hold features (--path-column path reads them)"
    assert said in " ".join(parts.notes)
    assert "index" not in " ".join(read_data(frame.drop(columns="path")).notes)


def test_labels_that_all_differ_are_no_identifiers_if_they_are_known_classes():
    frame = pd.DataFrame({"x": range(3), "label": list("abc")})
    for known in ((), ("d", "e")):
        with pytest.raises(ValueError, match="All 3 labels differ: is it an identifier or a quantity"):
            read_data(frame, classes=known)
    assert read_data(frame, classes=("a", "b", "c", "d")).class_names == ("a", "b", "c")


def test_labels_stay_what_they_are(tmp_path):
    names = ["null", "NA", "nan", "007", "True", "1e5", "None"]
    rows = "".join(f"{i}.png,{name}\n" for i, name in enumerate(names * 2))
    parts = read_data(write(tmp_path / "t.csv", f"path,label\n{rows}"))
    assert sorted(parts.class_names) == sorted(names)
    assert [parts.class_names[c] for c in parts.train.target[:7]] == names


def test_whole_numbers_written_as_floats_are_the_same_classes(tmp_path):
    write(tmp_path / "train.csv", "path,label\na.png,0.0\nb.png,1.0\nc.png,1.0\n")
    write(tmp_path / "test.csv", "path,label\nd.png,1\n")
    parts = read_data(tmp_path / "train.csv", test=tmp_path / "test.csv")
    assert parts.class_names == ("0", "1")
    assert parts.test.target.tolist() == [1]


def test_columns_can_be_chosen(tmp_path):
    path = write(
        tmp_path / "t.csv",
        "thumb,photo,kind,species,animal\nx.png,a.png,u,cat,1\nx.png,b.png,u,dog,1\nx.png,c.png,v,cat,2\n",
    )
    with pytest.raises(ValueError, match="must have a column label or .*, or --label must name its column of labels"):
        read_data(path)
    parts = read_data(path, path_column="photo", label="species", group="animal")
    assert parts.train.files == ("a.png", "b.png", "c.png")
    assert parts.class_names == ("cat", "dog")
    assert parts.train.groups.tolist() == ["1", "1", "2"]
    assert parts.notes == (f"{path}: columns that are not used: thumb, kind.",)
    with pytest.raises(
        ValueError, match="--label must name a column of .* Got 'specie'; its columns: thumb, photo, kind"
    ):
        read_data(path, label="specie")
    with pytest.raises(ValueError, match="--path-column must name a column of"):
        read_data(path, label="species", path_column="x")


def test_two_columns_that_may_be_the_label_are_refused(tmp_path):
    path = write(tmp_path / "t.csv", "x0,label,target\n1,0,1\n2,0,1\n3,1,0\n")
    with pytest.raises(ValueError, match="several columns that may be the label: label, target. Name one with --label"):
        read_data(path)
    assert read_data(path, label="target").train.features.shape == (3, 1)  # the other is no feature


def test_a_column_names_the_parts(tmp_path):
    rows = "".join(
        f"{i}.png,{'ab'[i % 2]},{part},{i // 2}\n" for i, part in enumerate(["train"] * 6 + ["valid", "Test"])
    )
    path = write(tmp_path / "t.csv", f"path,label,split,group\n{rows}")
    parts = read_data(path)
    assert {name: len(part) for name, part in parts.items()} == {"train": 6, "validation": 1, "test": 1}
    assert parts.test.files == ("7.png",)
    assert parts.test.groups.tolist() == ["3"]
    assert "parts are read from the column 'split'" in " ".join(parts.notes)
    with pytest.raises(ValueError, match="the column 'label' of .* must hold train, .* Got 'a'"):
        read_data(path, label="group", split="label")


def test_columns_beside_the_paths_are_named_as_not_used(tmp_path):
    rows = "".join(f"{i},{i}.png,{'ab'[i % 2]},{part}\n" for i, part in enumerate(["train", "train", "test", "test"]))
    path = write(tmp_path / "t.csv", f",path,label,fold\n{rows}")
    assert f"{path}: columns that are not used: fold." in read_data(path).notes
    assert "not used" not in " ".join(read_data(path, split="fold").notes)


def test_numeric_features(tmp_path):
    write(tmp_path / "train.csv", "id,x,y,note,label\n1,0.5,7,s,a\n2,1.5,8,t,b\n3,2.5,9,u,a\n")
    write(tmp_path / "test.csv", "label,y,x\nb,4,3\n")
    parts = read_data(tmp_path / "train.csv", test=tmp_path / "test.csv")
    assert parts.train.kind == "features"
    assert parts.train.features.dtype == np.float32
    assert parts.train.feature_names == ("x", "y")
    np.testing.assert_array_equal(parts.train.features, [[0.5, 7], [1.5, 8], [2.5, 9]])
    np.testing.assert_array_equal(parts.test.features, [[3, 4]])  # by name, not by place
    said = " ".join(parts.notes)
    assert "2 columns are not used as features: id (by its name no feature), note (no numbers)" in said
    assert "2 features: x, y" in said
    write(tmp_path / "test.csv", "label,y\nb,4\n")
    with pytest.raises(ValueError, match="test must have the features of train. It lacks x"):
        read_data(tmp_path / "train.csv", test=tmp_path / "test.csv")


def test_an_empty_last_column_is_no_feature(tmp_path):
    parts = read_data(write(tmp_path / "t.csv", "x,label,\n1,a,\n2,b,\n3,a,\n"))
    assert parts.train.feature_names == ("x",)


def test_frames_in_memory(tmp_path):
    frame = pd.DataFrame(
        {"path": [f"{tmp_path}/a/1.png", f"{tmp_path}/b/2.png"] * 2, "label": [7, 8, 8, 8]}, index=range(5, 9)
    )
    parts = read_data(frame)
    assert parts.train.files == ("a/1.png", "b/2.png", "a/1.png", "b/2.png")
    assert parts.train.root == tmp_path
    assert parts.class_names == ("7", "8")
    assert class_counts(frame).tolist() == [1, 3]
    frame["label"] = pd.Categorical(["x", "y", "x", "x"])
    assert read_data(frame).class_names == ("x", "y")


def test_columns_of_a_frame_may_have_numbers_for_names():
    frame = pd.DataFrame(np.arange(8.0).reshape(4, 2)).assign(label=list("abab"))
    parts = read_data(frame, test=frame.iloc[:, ::-1])
    assert parts.train.feature_names == parts.test.feature_names == ("0", "1")
    np.testing.assert_array_equal(parts.train.features, parts.test.features)
    with pytest.raises(ValueError, match="must name each column once. Got '0' twice"):
        read_data(frame.assign(**{"0": 1.0}))


@pytest.mark.parametrize("missing", ["", None, float("nan")])
def test_samples_without_a_group_are_no_group(tmp_path, missing):
    frame = pd.DataFrame({"x": range(4), "label": list("abab"), "group": ["g1", missing, "g1", missing]})
    said = r"must name a group in each row. {} names none in the column 'group' \(2 of 4 rows\)"
    with pytest.raises(ValueError, match=said.format("Row 1")):
        read_data(frame)
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match=said.format("Line 3")):
        read_data(tmp_path / "t.csv")


def test_a_row_has_the_name_that_its_owner_knows(tmp_path):
    rows = [{"x": 1.5, "label": "a"}, {"x": 2.5, "label": ""}, {"x": 1.5, "label": "a"}]
    write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match="Line 2 has none in the column 'label'"):
        read_data(tmp_path / "t.jsonl")
    with pytest.raises(ValueError, match="Row second has none in the column 'label'"):
        read_data(pd.DataFrame(rows, index=["first", "second", "third"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must hold a header and rows. It is empty"),
        ("path,label\n", "must hold at least one row. Got none"),
        (
            "path,label\na.png,\nb.png,x\n",
            r"must hold a label in each row. Line 2 has none in the column 'label' \(1 of 2",
        ),
        ("path,label\na.png\nb.png,x\n", "must hold a label in each row. Line 2 has none"),
        (
            "path,label\n,x\nb.png,x\n",
            r"names none in the column 'path' \(1 of 2 rows\). Drop such rows: --on-bad-file",
        ),
        (
            "a.png,cat\nb.png,dog\n",
            "must have a header, such as path,label. Its first line holds 'a.png'. Add one, or name",
        ),
        ("x,label,label\n1,a,b\n2,a,b\n", "must name each column once. Got 'label' twice"),
        ("path,label\na.png,x,1\n", "must be a table of separated values. It could not be read"),
        ("path,label\na.png,1\nb.png,2\nc.png,3\n", "All 3 labels differ: is it an identifier or a quantity"),
        (
            "x,label\n1,a\n,a\n3,b\n",
            "must hold a finite number in each row of its features. Line 3 has none in the column 'x'",
        ),
        ("x,label\n1,a\ninf,a\n3,b\n", "Line 3 has none in the column 'x'"),
        ("path,label\n../a.png,x\nb.png,x\n", "must name files below .* 1 of 2 lie outside"),
    ],
)
def test_what_is_no_table_of_labels_is_one_clear_line(tmp_path, content, message):
    path = write(tmp_path / "t.csv", content)
    with pytest.raises(ValueError, match=message) as error:
        read_data(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "expected", "said"),
    [
        ("x;z;label\n1,5;-2;a\n3;,5;a\n4;0;b\n", [[1.5, -2], [3, 0.5], [4, 0]], True),
        ("x\tz\tlabel\n1,5\t1e3\ta\n3\t2,5e-1\ta\n4\t0\tb\n", [[1.5, 1000], [3, 0.25], [4, 0]], True),
        ("x;z;label\n1.5;-2;a\n3;.5;a\n4;0;b\n", [[1.5, -2], [3, 0.5], [4, 0]], False),
        ('x;z;"a, b, c";label\n1;2;3;a\n3;1;2;a\n4;0;0;b\n', [[1, 2, 3], [3, 1, 2], [4, 0, 0]], False),
    ],
)
def test_a_decimal_comma_is_read_where_the_separator_is_another(tmp_path, content, expected, said):
    parts = read_data(write(tmp_path / "t.csv", content))
    np.testing.assert_array_equal(parts.train.features, expected)
    assert any("numbers have a decimal comma" in note for note in parts.notes) == said


def test_text_is_no_feature(tmp_path):
    parts = read_data(write(tmp_path / "t.csv", "text,category\nhello you,a\nbye,b\nhello,a\n"))
    assert parts.train.kind == "labels"
    assert parts.train.class_counts.tolist() == [2, 1]
    assert "neither a column of paths nor numbers: only its labels are read" in " ".join(parts.notes)


def test_shuttle(real_data):
    folder = real_data / "table/shuttle"
    parts = read_data(folder / "train.csv.gz", test=folder / "test.csv.gz")
    assert parts.train.features.shape == (43_500, 9)
    assert (parts.train.class_counts.max(), parts.train.class_counts.min()) == (34_108, 6)
    assert (len(parts.test), parts.test.class_counts.max(), parts.test.class_counts.min()) == (14_500, 11_478, 2)
    with gzip.open(folder / "train.csv.gz", "rt") as file:
        names, row = (next(file).strip().split(",") for _ in range(2))
    place = names.index("label")
    np.testing.assert_array_equal(parts.train.features[0], [float(v) for i, v in enumerate(row) if i != place])
    assert parts.class_names[parts.train.target[0]] == row[place]


def test_paths_of_windows_are_read_with_slashes(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,label\r\ntrain\\a.png,x\r\ntrain\\b.png,x\r\ntrain\\c.png,y\r\n")
    (tmp_path / "g.csv").write_bytes(b"path,group\r\ntrain\\a.png,1\r\ntrain\\b.png,2\r\ntrain\\c.png,2\r\n")
    parts = read_data(tmp_path / "t.csv", groups=tmp_path / "g.csv")
    assert parts.train.files == ("train/a.png", "train/b.png", "train/c.png")
    assert parts.train.groups.tolist() == ["1", "2", "2"]
    for name in ("t.csv", "g.csv"):
        assert f"{tmp_path}/{name}: backslashes in paths are read as slashes." in parts.notes


def test_a_tilde_in_paths_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = ["~/train/a.png", "~/train/b.png", "~/train/~c.png"]
    lists = tmp_path / "train" / "t.txt"
    lists.parent.mkdir()
    lists.write_text("".join(f"{path} {label}\n" for path, label in zip(paths, "xxy", strict=True)))
    table = pd.DataFrame({"path": paths, "label": list("xxy")})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.assign(group=[1, 2, 2]).drop(columns="label").to_csv(tmp_path / "g.csv", index=False)
    for data, base in ((lists, ""), (tmp_path / "t.csv", "train/"), (table, "")):
        parts = read_data(data, groups=tmp_path / "g.csv")
        assert parts.train.files == tuple(f"{base}{name}.png" for name in ("a", "b", "~c"))
        assert parts.train.groups.tolist() == ["1", "2", "2"]
        where = "the table" if data is table else data
        assert f"{where}: ~ in paths is read as the home folder, {tmp_path}." in parts.notes
    monkeypatch.setenv("HOME", "/elsewhere")
    with pytest.raises(ValueError, match=r"3 of 3 lie outside: /elsewhere/train/a\.png.* --root /elsewhere/train"):
        read_data(tmp_path / "t.csv")


def test_paths_of_groups_may_be_absolute(tmp_path):
    (tmp_path / "t.csv").write_text("path,label\na.png,x\nb.png,y\n")
    (tmp_path / "g.csv").write_text(f"path,group\n{tmp_path}/a.png,1\n{tmp_path}/b.png,2\n")
    assert read_data(tmp_path / "t.csv", groups=tmp_path / "g.csv").train.groups.tolist() == ["1", "2"]


def test_columns_that_are_no_features_have_their_reason():
    table = pd.DataFrame(
        {"x": [1.0, 2.0], "when": pd.to_datetime(["2020", "2021"]), "wave": [1j, 2j], "label": list("ab")}
    )
    said = " ".join(read_data(table.assign(none=np.nan)).notes)
    assert "3 columns are not used as features: when (dates), wave (complex numbers), none (empty)" in said


@pytest.mark.parametrize(("odd", "said"), [(None, "none"), ("eval", "'eval'")])
def test_a_column_split_that_names_parts_for_some_rows_alone_is_refused(odd, said):
    frame = pd.DataFrame({"x": np.arange(4.0), "label": list("abab"), "split": ["train", "train", "test", odd]})
    with pytest.raises(
        ValueError, match=rf"the column 'split' of the table must hold train, .* Got {said} .Row 3.\. Drop"
    ):
        read_data(frame)


def test_parts_in_bytes_are_read():
    frame = pd.DataFrame({"x": np.arange(3.0), "label": list("aba"), "split": [b"train", b"train", b"test"]})
    assert read_data(frame).test.target.tolist() == [0]


@pytest.mark.parametrize("column", ["label", "group"])
def test_bytes_that_are_no_text_are_no_labels(column):
    frame = pd.DataFrame({"x": np.arange(3.0), "label": list("aba")}).assign(**{column: [b"\xff\xd8"] * 3})
    with pytest.raises(ValueError, match=r"must be text or a number. Got bytes that are no UTF-8: b'.xff.xd8'\."):
        read_data(frame)
