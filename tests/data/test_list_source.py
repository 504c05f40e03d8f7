import json

import numpy as np
import pytest

from longtail.data import read_data


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "files", "names"),
    [
        ("a/1.jpg 0\na/2.jpg 3\n", ("a/1.jpg", "a/2.jpg"), ("0", "3")),
        ("a b/c d.png 0\r\nx.png 1\r\n", ("a b/c d.png", "x.png"), ("0", "1")),
        (b"\xef\xbb\xbfa.png 2280\nb.png 10\n", ("a.png", "b.png"), ("10", "2280")),
        ("a.png 0\nb.png 1\n".encode("utf-16"), ("a.png", "b.png"), ("0", "1")),
        ("a.png\t0\nb c.png\t1", ("a.png", "b c.png"), ("0", "1")),
        ("a.png,0\nb.png,1\n", ("a.png", "b.png"), ("0", "1")),
        ("a.png sea lion\nb.png ant\n", ("a.png", "b.png"), ("ant", "sea lion")),
        ("a.png 0 \n\n  b.png 1\n", ("a.png", "b.png"), ("0", "1")),
        ("train\\a.png 0\ntrain\\b.png 1\n", ("train/a.png", "train/b.png"), ("0", "1")),
        ('"a b.png" cat\n"c.png" dog\n', ("a b.png", "c.png"), ("cat", "dog")),
        ("filename label\na.png 0\nb.png 1\n", ("a.png", "b.png"), ("0", "1")),
        ("# a comment\na.png 0\nb.png 1\n", ("a.png", "b.png"), ("0", "1")),
        ("./a.png 0\nx/../b.png 1\n", ("a.png", "b.png"), ("0", "1")),
        ("scan-0001 0\nscan-0002 1\n", ("scan-0001", "scan-0002"), ("0", "1")),
        ("bee/1.jpg\nant/my photo.JPG\n", ("bee/1.jpg", "ant/my photo.JPG"), ("ant", "bee")),
    ],
)
def test_lines_of_every_kind(tmp_path, content, files, names):
    parts = read_data(write(tmp_path / "list.txt", content))
    assert parts.train.files == files
    assert parts.class_names == names
    assert parts.train.root == tmp_path


def test_what_is_no_line_of_a_path_and_a_label_is_refused(tmp_path):
    for content, message in (
        ("", "must hold at least one line"),
        ("photo\n", "must hold a path and a label on each line. Line 1 is 'photo'"),
        ("a.png 0\nb.png\n", "a label on each line, or on none. Line 2 has none"),
        ("a.png 0 1\n", "must hold one label on each line. Line 1 has several: '0 1'"),
        ("a.png 0 0.97\nb.png 1 1e-3\n", "must hold one label on each line. Line 1 has several: '0 0.97'"),
        ("0\t3.000000\tx/a.png\n", "must hold a path and then a label on each line. Line 1 is '0.t3.000000.tx/a"),
        ("a.png -1\n", "labels of at least 0. Got -1 at sample 0"),
        ("a.png\n", "or paths whose folder is the class"),
        (b"caf\xe9.png 1\n", "must be text in UTF-8. Byte 3 is not"),
        (b"a.png 0\n\x00\x00", "must be a text file. It holds null bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            read_data(write(tmp_path / "list.txt", content))
    with pytest.raises(ValueError, match="`split` must be left out for a list"):
        read_data(write(tmp_path / "list.txt", "a.png 0\n"), split="part")


def test_the_folder_of_files_outside_the_root_is_named(tmp_path, monkeypatch):
    write(tmp_path / "lists/train.txt", f"{tmp_path}/my images/a/1.png 0\n{tmp_path}/my images/b/2.png 1\n")
    monkeypatch.chdir(tmp_path / "lists")
    with pytest.raises(ValueError, match=f"must name files below {tmp_path}/lists. .* --root '{tmp_path}/my images'"):
        read_data("train.txt")
    assert read_data("train.txt", root=tmp_path / "my images").train.files == ("a/1.png", "b/2.png")


def test_files_outside_the_root_are_refused_unless_it_allows_them(tmp_path):
    path = write(tmp_path / "lists/train.txt", f"../images/a.png 0\n{tmp_path}/images/b.png 1\nc.png 1\n")
    with pytest.raises(ValueError, match=r"2 of 3 lie outside: ../images/a.png, .*b.png. Pass a folder .*--root DIR"):
        read_data(path)
    write(tmp_path / "lists/train.txt", f"lists/../images/a.png 0\n{tmp_path}/images/b.png 1\nc.png 1\n")
    parts = read_data(path, root=tmp_path)
    assert parts.train.files == ("images/a.png", "images/b.png", "c.png")
    assert parts.train.paths[0] == tmp_path / "images/a.png"
    assert read_data(path, root="/").train.files[1] == f"{tmp_path}/images/b.png"[1:]


def test_lists_of_three_parts_share_their_root_and_classes(tmp_path):
    for name, lines in {"train": "a.png 0\nb.png 2\n", "val": "c.png 2\n", "test": "d.png 10\ne.png 0\n"}.items():
        write(tmp_path / f"{name}.txt", lines)
    parts = read_data(tmp_path / "train.txt", val=tmp_path / "val.txt", test=tmp_path / "test.txt", root=tmp_path / "x")
    assert parts.class_names == ("0", "2", "10")
    assert {name: part.target.tolist() for name, part in parts.items()} == {
        "train": [0, 1],
        "validation": [1],
        "test": [2, 0],
    }
    assert all(part.root == tmp_path / "x" for _, part in parts.items())


@pytest.mark.slow
def test_half_a_million_lines_have_the_published_counts(real_data, tmp_path):
    counts = json.loads((real_data / "lists/iNaturalist18.json").read_text())
    path = tmp_path / "train.txt"
    path.write_text("".join(f"x/{label}/{i}.jpg {label}\n" for label, n in enumerate(counts) for i in range(n)))
    train = read_data(path).train
    assert len(train) == 437_513
    np.testing.assert_array_equal(train.class_counts, counts)


@pytest.mark.slow
def test_official_lists(real_data):
    parts = read_data(real_data / "lists/Places_LT_train.txt", val=real_data / "lists/Places_LT_val.txt", root="/")
    assert parts.train.class_counts.tolist() == json.loads((real_data / "lists/Places_LT.json").read_text())
    assert set(parts.validation.class_counts.tolist()) == {20}


@pytest.mark.slow
def test_fish_lists(real_data, fish):
    folder = real_data / "fish"
    parts = read_data(
        folder / "train.txt",
        val=folder / "val.txt",
        test=folder / "test.txt",
        root=fish,
        groups=folder / "groups.csv",
    )
    sizes = {name: (len(part), part.class_counts.max(), part.class_counts.min()) for name, part in parts.items()}
    assert sizes == {"train": (11_486, 5_393, 6), "validation": (1_588, 733, 1), "test": (3_207, 1_495, 3)}
    groups = [set(part.groups) for _, part in parts.items()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
