import numpy as np
import pandas as pd
import pytest

from data.pictures import fill, picture
from data.tars import pack
from longtail.data import read_data
from longtail.data.group_file import add_groups


def test_each_file_has_the_group_of_its_path(tmp_path):
    folder = fill(tmp_path / "photos", {"a": 2, "b": 1})
    groups = tmp_path / "groups.csv"
    groups.write_text("path,group\nb/0.png,007\na/0.png,x\na/1.png,x\nc/9.png,y\n")
    parts = read_data(folder, groups=groups)
    assert parts.train.groups.tolist() == ["x", "x", "007"]
    assert "1 path is not among the files" in parts.notes[-1]


def test_images_in_a_tar_file_have_the_groups_of_their_paths(tmp_path):
    groups = tmp_path / "groups.csv"
    groups.write_text("path,group\nb/0.png,007\na/0.png,x\na/1.png,x\n")
    for top in ("", "photos/"):
        path = pack(tmp_path / "t.tar", {f"{top}{name}": picture(1) for name in ("a/0.png", "a/1.png", "b/0.png")})
        assert read_data(path, groups=groups).train.groups.tolist() == ["x", "x", "007"]
    pack(path, {"a/0.png": picture(1), "b/9.png": picture(1)})
    with pytest.raises(ValueError, match=r"1 of 2 files of train have none: b/9.png\.$"):
        read_data(path, groups=groups)
    for number in range(2):
        pack(tmp_path / "shards" / f"train-{number}.tar", {"0.png": picture(1), "0.cls": "a"})
    with pytest.raises(ValueError, match="must be left out for data without a path of its own for each sample"):
        read_data(tmp_path / "shards", groups=groups)


def test_a_folder_that_does_not_hold_all_is_a_part_of_the_path(tmp_path):
    groups = tmp_path / "groups.csv"
    groups.write_text("path,group\n0.png,x\n")  # of which of two folders?
    path = pack(tmp_path / "t.tar", {f"{name}/0.png": picture(1) for name in ("a", "b")})
    with pytest.raises(ValueError, match="2 of 2 files of train have none: a/0.png, b/0.png"):
        read_data(path, groups=groups)


@pytest.mark.parametrize("index", ["path", None])
def test_paths_may_be_the_index_of_a_parquet_file(tmp_path, index):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder = fill(tmp_path / "photos", {"a": 2, "b": 1})
    table = pd.DataFrame({"site": list("xxy")}, index=pd.Index(["a/0.png", "a/1.png", "b/0.png"], name=index))
    table.to_parquet(tmp_path / "groups.parquet")
    assert read_data(folder, groups=tmp_path / "groups.parquet").train.groups.tolist() == ["x", "x", "y"]


def test_paths_may_begin_with_the_folder_of_the_part(tmp_path):
    fill(tmp_path / "train", {"a": 1, "b": 1})
    fill(tmp_path / "test", {"a": 1, "b": 1})
    lines = [f"{part}/{name}/0.png,{part[1]}{name}" for part in ("train", "test") for name in "ab"]
    (tmp_path / "g.tsv").write_text("\n".join(["file\tanimal", *(line.replace(",", "\t") for line in lines)]))
    parts = read_data(tmp_path, groups=tmp_path / "g.tsv")
    assert parts.train.groups.tolist() == ["ra", "rb"]
    assert parts.test.groups.tolist() == ["ea", "eb"]


def test_groups_that_do_not_fit_are_refused(tmp_path):
    folder = fill(tmp_path / "photos", {"a": 2, "b": 1})
    groups = tmp_path / "groups.csv"
    for content, message in (
        (
            "path,group\na/0.png,x\n",
            "must name a group for each file. 2 of 3 files of train have none: a/1.png, b/0.png",
        ),
        ("path,group\na/0.png,x\na/0.png,y\n", "must name one group for each path. 'a/0.png' has several"),
        ("path\na/0.png\n", "must have a column of paths and one of groups. Its columns: path"),
    ):
        groups.write_text(content)
        with pytest.raises(ValueError, match=message):
            read_data(folder, groups=groups)
    with pytest.raises(FileNotFoundError, match="`groups` must be a file of paths and groups. Got .*nowhere"):
        read_data(folder, groups=tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="`groups` must be left out for data without a path of its own"):
        read_data((np.zeros((3, 2)), [0, 1, 1]), groups=groups)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,weight,site\na.jpg,1,x\n",
            "must have one column beside the paths, or one named .* Its columns: path, we",
        ),
        ("path,group\na.jpg,x\nb.jpg,\n", "must name a group for each path. 1 row has none"),
    ],
)
def test_groups_are_not_guessed(tmp_path, text, message):
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        add_groups({}, tmp_path / "groups.csv", [])
