"""Tar shards of samples, and tar files of class folders."""

import gzip
import json
import os
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch

from data.pictures import fill, picture, reds
from data.tars import header, pack, samples
from longtail.cli import main
from longtail.data import check_files, make_splits, read_data
from longtail.data.images.names import image_names
from longtail.data.own import image_loader
from longtail.data.own_config import OwnDataConfig
from longtail.data.packed_images import packed_at
from longtail.data.read import KINDS_OF_DATA
from longtail.data.sources import load_splits
from longtail.data.tar.images import tar_images
from longtail.doctor.parts import part_findings


def said(data):
    return " ".join(data.notes)


def pack_folder(path, folder, **options):
    with tarfile.open(path, "w", **options) as tar:
        tar.add(folder, arcname=folder.name)
    return path


def test_a_shard_of_samples(tmp_path):
    path = pack(tmp_path / "photos.tar", samples([10, 2, 10, 2]))
    data = read_data(path)
    assert (data.class_names, data.train.target.tolist()) == (("2", "10"), [1, 0, 1, 0])
    assert reds(data.train) == [0, 1, 2, 3]
    assert data.train.items.names == [f"{path}:000{number}" for number in range(4)]
    assert data.train.items.paths == [f"000{number}.png" for number in range(4)]
    assert "labels are read from the column 'cls' (--label names another)" in said(data)
    assert f"{tmp_path}: classes are called by their numbers; classnames.txt in it may name one per line" in said(data)
    assert image_names([data.train]) == data.train.items.paths


@pytest.mark.parametrize(
    "names",
    [
        ("fish1k-train-0000.tar", "fish1k-train-0001.tar", "fish1k-validation-00.tar", "fish1k-test-0.tar"),
        ("train/0.tar", "train/1.tar", "val/0.tar", "test/0.tar"),
        ("data/train-000000.tar", "data/train-000001.tar", "data/valid-000000.tar", "data/test-000000.tar"),
    ],
)
def test_shards_by_part(tmp_path, names):
    for number, name in enumerate(names):
        pack(tmp_path / name, samples(["ant", "bee"], first=10 * number))
    (tmp_path / names[0]).with_name("nshards.txt").write_text("2\n")
    data = read_data(tmp_path)
    assert {name: reds(part) for name, part in data.items()} == {
        "train": [0, 1, 10, 11],
        "validation": [20, 21],
        "test": [30, 31],
    }
    assert data.train.name(2) == f"{tmp_path / names[1]}:0010"
    assert "left out" not in said(data)
    (tmp_path / names[0]).with_name("README.md").write_text("photographs")
    assert "1 file that is not tar is left out: " in said(read_data(tmp_path))
    (tmp_path / names[1]).rename((tmp_path / names[1]).with_name(names[1].replace("1.tar", "2.tar").rpartition("/")[2]))
    with pytest.raises(ValueError, match="must hold the files of all numbers. .*1.tar is missing"):
        read_data(tmp_path)


def test_shards_that_are_listed_beside_are_all_there(tmp_path):
    for name in ("train-0", "train-1", "val-0"):
        pack(tmp_path / "folder" / f"{name}.tar", samples(["ant", "bee"]))
        pack(tmp_path / "parts" / f"{name.replace('-', '/')}.tar", samples(["ant", "bee"]))
    (tmp_path / "parts" / "train" / "nshards.txt").write_text("3\n")
    with pytest.raises(
        ValueError, match="train must hold 3 tar files, as nshards.txt says. Got 2. Download the others"
    ):
        read_data(tmp_path / "parts")
    splits = {"train": ["train-0.tar", "train-1.tar"], "val": ["val-0.tar", "val-1.tar"], "test": ["test-0.tar"]}
    info = {"splits": {name: {"filenames": files, "num_samples": 2} for name, files in splits.items()}}
    (tmp_path / "folder" / "_info.json").write_text(json.dumps(info))
    for read in (read_data, packed_at):
        with pytest.raises(
            ValueError, match="folder must hold the tar files that _info.json lists. Missing: val-1.tar"
        ):
            read(tmp_path / "folder")
    (tmp_path / "folder" / "_info.json").write_text("{}")
    assert len(read_data(tmp_path / "folder").train) == 4


def test_keys_may_be_the_same_in_each_shard(tmp_path):
    for number in range(2):
        pack(tmp_path / f"train-{number}.tar", samples(["ant", "bee"]))
    data = read_data(tmp_path)
    assert image_names([data.train]) == data.train.items.names
    assert len(set(data.train.items.names)) == 4
    assert image_names([tar_images(packed_at(tmp_path), [])]) == data.train.items.names  # predictions join features


@pytest.mark.parametrize("file", ["classnames.txt", "classes.txt"])
def test_a_file_names_the_classes(tmp_path, file):
    (tmp_path / file).write_text("tiger shark\nant\nunseen\n")
    pack(tmp_path / "train" / "0.tar", samples([1, 0, 0]))
    pack(tmp_path / "test" / "0.tar", samples([0, 1]))
    for data in (read_data(tmp_path), read_data(tmp_path / "train", test=tmp_path / "test" / "0.tar")):
        assert data.class_names == ("tiger shark", "ant", "unseen")
        assert data.train.target.tolist() == [1, 0, 0]
    assert f"the names of 3 classes are read from {file}" in said(read_data(tmp_path))
    assert f"left out: {file}" not in said(read_data(tmp_path))


def test_lines_of_class_names_end_at_line_ends_alone(tmp_path):
    pack(tmp_path / "train.tar", samples([0, 1]))
    (tmp_path / "classes.txt").write_bytes("sea\x0bhorse\r\nant\u2028bee\rcow\n".encode())
    assert read_data(tmp_path).class_names == ("sea\x0bhorse", "ant\u2028bee", "cow")


def test_class_names_that_are_numbered_from_1_are_no_names_of_indices_from_0(tmp_path):
    (tmp_path / "classes.txt").write_text("1 001.Albatross\n2 002.Auklet\n3 003.Bunting\n")
    pack(tmp_path / "train.tar", samples([1, 2, 1]))  # of a subset without the last class
    with pytest.raises(ValueError, match=r"It numbers them from 1: '1 001.Albatross'\. Number them from 0 if"):
        read_data(tmp_path)
    pack(tmp_path / "train.tar", samples(["001.Albatross", "002.Auklet"]))
    assert read_data(tmp_path).class_names == ("001.Albatross", "002.Auklet")
    pack(tmp_path / "train.tar", samples([1, 2, 1]))
    (tmp_path / "classes.txt").write_text("1 Series\n3 Series\n5 Series\n")
    assert read_data(tmp_path).class_names == ("1 Series", "3 Series", "5 Series")


def test_class_names_that_are_no_names_of_these_labels(tmp_path):
    names = tmp_path / "classnames.txt"
    pack(tmp_path / "train.tar", samples([1, 3, 1]))
    names.write_text("ant\nbee\ncow\n")
    data = read_data(tmp_path)
    assert data.class_names == ("1", "3")
    assert "names 3 classes, but has other labels: the labels are kept as names" in said(data)
    names.write_text("ant\n\ncow\ndog\n")
    with pytest.raises(ValueError, match="classnames.txt must hold the name of a class on each line. Line 2 is empty"):
        read_data(tmp_path)
    names.write_text("ant\nbee\ncow\nbee\n")
    with pytest.raises(ValueError, match="classnames.txt must declare each class .* once. Got 'bee' for 1 and 3"):
        read_data(tmp_path)


def test_labels_are_those_of_cls_else_of_a_field_of_json_else_of_text(tmp_path):
    members: dict[str, bytes | str | dict[str, object]] = {}
    for number, name in enumerate(["ant", "bee", "ant"]):
        members[f"{number}.png"] = picture(number)
        members[f"{number}.txt"] = f"text {name}"
        members[f"{number}.json"] = {"label": f"json {name}", "animal": name.upper(), "id": number}
        members[f"{number}.cls"] = name
    path = tmp_path / "t.tar"

    def names(**options):
        return read_data(path, **options).class_names

    pack(path, members)
    assert names() == ("ant", "bee")
    assert names(label="animal") == ("ANT", "BEE")
    assert names(label="txt") == ("text ant", "text bee")
    for suffix, expected in ((".cls", ("json ant", "json bee")), (".json", ("text ant", "text bee"))):
        members = {name: content for name, content in members.items() if not name.endswith(suffix)}
        pack(path, members)
        assert names() == expected
    with pytest.raises(ValueError, match=r"--label must name a column of .*t.tar. Got 'animal'; its columns: txt, png"):
        names(label="animal")


def test_several_fields_that_may_be_labels_are_not_guessed_between(tmp_path):
    path = pack(
        tmp_path / "t.tar", samples([{"label": 1, "class": "ant"}, {"label": 2, "class": "bee"}] * 2, suffix="json")
    )
    with pytest.raises(ValueError, match="several columns that may be the label: label, class. Name one with --label"):
        read_data(path)
    assert read_data(path, label="class").class_names == ("ant", "bee")
    assert read_data(path, label="label").class_names == ("1", "2")


def test_groups_and_parts_of_json(tmp_path):
    labels = [{"label": "ab"[n % 2], "animal": f"no {n // 2}", "split": ["train", "test"][n // 4]} for n in range(6)]
    path = pack(tmp_path / "t.tar", samples(labels, suffix="json"))
    data = read_data(path, group="animal")
    assert data.train.groups.tolist() == ["no 0", "no 0", "no 1", "no 1"]
    assert (reds(data.test), data.test.groups.tolist()) == ([4, 5], ["no 2", "no 2"])
    with pytest.raises(ValueError, match=f"name a group in each row. {path}:0000 names none in the column 'animals'"):
        read_data(pack(path, samples([{"label": "a"}, {"label": "b", "animals": 1}], suffix="json")), group="animals")


def test_a_column_of_parts_in_shards_of_one_part_is_refused(tmp_path):
    pack(
        tmp_path / "train-0.tar",
        samples([{"label": "a", "split": "test"}, {"label": "b", "split": "train"}], suffix="json"),
    )
    with pytest.raises(
        ValueError, match="train-0.tar must hold samples of train alone.* A column names test and train"
    ):
        read_data(tmp_path)


def test_an_image_without_a_label_is_refused_by_name(tmp_path):
    path = pack(tmp_path / "t.tar", {**samples(["a", "b"]), "x.png": picture(9), "y.png": picture(8), "y.cls": " \n"})
    with pytest.raises(ValueError, match=rf"must hold a label in each row. {path}:x has none .*'cls' \(2 of 4 rows\)"):
        read_data(path)


def test_a_label_without_an_image_is_a_bad_file(tmp_path):
    path = pack(tmp_path / "t.tar", {**samples(["a", "b", "a"]), "x.cls": "a", "README.md": "read me", "meta.json": {}})
    data = read_data(path)
    assert "2 files of no sample are left out: README.md, meta.json" in said(data)
    with pytest.raises(ValueError, match=f"1 of 4 images of train can't be decoded: {path}:x. .* it has no bytes"):
        check_files(data)
    assert reds(check_files(data, on_bad_file="skip").train) == [0, 1, 2]


def test_a_damaged_image_is_named_by_shard_and_key(tmp_path):
    path = pack(tmp_path / "t.tar", {**samples(["a", "b"]), "x.jpg": picture(7)[:40], "x.cls": "a"})
    with pytest.raises(ValueError, match=f"{path}:x must be a whole image file. It can't be decoded"):
        check_files(read_data(path))
    (found,) = [finding for finding in part_findings(read_data(path)) if "corrupt" in finding.what]
    assert "t.tar:x" in found.where + found.what


def test_of_several_images_in_a_sample_one_is_named(tmp_path):
    members: dict[str, bytes | str] = {}
    for number in range(4):
        members |= {f"{number}.left.png": picture(number), f"{number}.right.png": picture(100 + number)}
        members[f"{number}.cls"] = "ab"[number % 2]
    path = pack(tmp_path / "t.tar", members)
    with pytest.raises(
        ValueError, match=f"{path}:0 must have one image.*left.png and right.png. Name one: --path-column"
    ):
        read_data(path)
    for name in ("right.png", "right"):
        assert reds(read_data(path, path_column=name).train) == [100, 101, 102, 103]
        assert reds(tar_images([path], [], name)) == [100, 101, 102, 103]
    with pytest.raises(
        ValueError, match=r"must hold images with the suffix top \(--path-column\). It holds files with"
    ):
        read_data(path, path_column="top")


def test_names_need_not_be_in_utf_8(tmp_path):
    odd = "caf\udce9"
    members = {f"{odd}{name}": content for name, content in samples([0, 1]).items()}
    (tmp_path / odd).mkdir()
    path = pack(tmp_path / odd / f"{odd}.tar", {**members, "readme.\udce9": "x"}, errors="surrogateescape")
    for data in (path, path.parent):
        parts = read_data(data)
        assert parts.train.items.names == [f"{path}:{odd}000{number}" for number in range(2)]
        assert reds(parts.train) == [0, 1]


def test_labels_of_json_may_hold_any_sign(tmp_path):
    found = [
        read_data(
            pack(tmp_path / "t.tar", samples([{"label": label}, {"label": "a"}], suffix="json"))
        ).train.fingerprint
        for label in ("\ud800", "\ud801", "\udce9")
    ]
    assert len(set(found)) == 3


def test_images_may_be_of_several_formats(tmp_path):
    members = {"a.png": picture(1), "a.cls": "x", "b.webp": picture(2), "b.cls": "y", "c.JPG": picture(3), "c.cls": "x"}
    assert reds(read_data(pack(tmp_path / "t.tar", members)).train) == [1, 2, 3]


def test_files_of_a_sample_need_not_follow_each_other(tmp_path):
    members = samples(["a", "b", "a"])
    ordered = dict(sorted(members.items(), key=lambda member: member[0][::-1]))
    assert read_data(pack(tmp_path / "t.tar", ordered)).train.target.tolist() == [0, 1, 0]


def test_options_that_say_nothing_are_refused(tmp_path):
    path = pack(tmp_path / "t.tar", samples(["a", "b"]))
    with pytest.raises(ValueError, match="`root` must be left out for images as bytes"):
        read_data(path, root=tmp_path)
    path = pack(tmp_path / "t.tar", {"a/1.png": picture(1), "b/1.png": picture(1)})
    with pytest.raises(ValueError, match="`path_column` must be left out for a tar file of class folders"):
        read_data(path, path_column="png")


def test_tar_files_without_images_or_labels_are_refused(tmp_path):
    path = pack(tmp_path / "t.tar", {"0.npy": b"x", "0.cls": "1"})
    with pytest.raises(ValueError, match="t.tar must hold images. It holds files with the suffixes npy, cls"):
        read_data(path)
    with pytest.raises(ValueError, match=r"t.tar must hold a label beside each image, .* Its columns: id, png"):
        read_data(pack(path, {"0.png": picture(0), "1.png": picture(1), "1.json": {"id": 7}}))
    with pytest.raises(ValueError, match="t.tar must hold images. It holds n01440764.tar, n01443537.tar"):
        read_data(pack(path, {"n01440764.tar": b"", "n01443537.tar": b""}))
    with pytest.raises(ValueError, match="t.tar must hold images. Got none"):
        read_data(pack(path, {}))


def test_labels_of_several_lines_are_refused(tmp_path):
    path = pack(tmp_path / "t.tar", samples(["cat\n", "cat\r\ndog\n"]))
    with pytest.raises(ValueError, match=r"t.tar:0001.cls must hold one line. It holds several: 'cat\\r\\ndog'"):
        read_data(path)


@pytest.mark.parametrize("suffix", ["cls", "json"])
def test_a_label_larger_than_memory_is_refused(tmp_path, suffix):
    path = tmp_path / "t.tar"
    size = 1 << 40
    path.write_bytes(header("1.png") + header(f"1.{suffix}", size))
    os.truncate(path, size + 2048)  # a sparse file, which takes no room
    with pytest.raises(ValueError, match=f"t.tar:1.{suffix} must be text about an image, of at most 67,108,864 bytes"):
        read_data(path)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "t.tar")
    with pytest.raises(ValueError, match="t.tar must be a file. It is a pipe or a device"):
        read_data(tmp_path)


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize("names", [("0.tar", "latest.tar"), ("test.tar", "train.tar")])
def test_a_shard_of_two_names_is_refused(tmp_path, link, names):
    link(pack(tmp_path / names[0], samples([0, 1])), tmp_path / names[1])
    with pytest.raises(ValueError, match=f"must hold each file once. {names[0]} and {names[1]} are one, by a link"):
        read_data(tmp_path)


def test_an_empty_shard_is_noted(tmp_path):
    for number, labels in enumerate([[], ["a", "b"], ["a"]]):
        pack(tmp_path / f"train-{number}.tar", samples(labels, first=number))
    data = read_data(tmp_path)
    assert len(data.train) == 3
    assert "1 tar file holds nothing: train-0.tar" in said(data)


def test_compressed_shards_are_refused_with_what_to_type(tmp_path):
    path = pack(tmp_path / "train-0.tar", samples(["a", "b"]))
    packed = tmp_path / "train-0.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    for data in (packed, tmp_path):
        with pytest.raises(
            ValueError, match=f"{packed} must be a tar file that is not compressed.*Type: gunzip {packed}"
        ):
            read_data(data)


@pytest.mark.parametrize("name", ["train-{}.tar", "train-{}-of-3.tar"])
def test_a_compressed_shard_among_others_is_not_said_to_be_missing(tmp_path, name):
    paths = [pack(tmp_path / name.format(number), samples(["a", "b"], first=2 * number)) for number in range(3)]
    packed = paths[1].with_name(f"{paths[1].name}.gz")
    packed.write_bytes(gzip.compress(paths[1].read_bytes()))
    paths[1].unlink()
    with pytest.raises(ValueError, match=f"{packed} must be a tar file that is not compressed"):
        read_data(tmp_path)


@pytest.mark.parametrize("name", ["train-0.tar", "train-0-of-1.tar"])
def test_a_compressed_copy_of_a_shard_is_left_out(tmp_path, name):
    path = pack(tmp_path / name, samples(["a", "b"]))
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    data = read_data(tmp_path)
    assert len(data.train) == 2
    assert f"1 compressed copy of a tar file is left out: {name}.gz" in said(data)
    assert packed_at(tmp_path) == [path]


def test_a_shard_that_is_gone_when_its_images_are_decoded_is_missing(tmp_path):
    data = read_data(pack(tmp_path / "t.tar", samples(["a", "b"])))
    (tmp_path / "t.tar").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"2 of 2 images of train are missing: .*t.tar:0000, .*Restore the file"
    ):
        check_files(data)


def test_a_pattern_of_shards_is_no_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="Name the folder of the shards instead of a pattern"):
        read_data(tmp_path / "train-{0000..0002}.tar")


def test_json_that_is_none_is_named(tmp_path):
    for content in ("{", "[1]", "\xff"):
        path = pack(tmp_path / "t.tar", {"0.png": picture(0), "0.json": content})
        with pytest.raises(ValueError, match=f"{path}:0.json must hold a JSON object"):
            read_data(path)


def test_parquet_files_of_the_same_names_are_tables_about_the_images(tmp_path):
    pack(tmp_path / "00000.tar", samples(["a", "b"]))
    pd.DataFrame({"caption": ["x", "y"]}).to_parquet(tmp_path / "00000.parquet")
    data = read_data(tmp_path)
    assert len(data.train) == 2
    assert "left out: 00000.parquet" in said(data)
    pd.DataFrame({"x": [1.0, 2.0, 3.0], "label": ["a", "b", "a"]}).to_parquet(tmp_path / "train.parquet")
    assert len(read_data(tmp_path).train) == 3


def test_a_tar_file_beside_class_folders_is_no_data_set(tmp_path):
    fill(tmp_path, {"ant": 2, "bee": 1})
    pack(tmp_path / "backup.tar", samples(["a", "b"]))
    assert read_data(tmp_path).train.class_counts.tolist() == [2, 1]


@pytest.mark.parametrize("wrapped", [False, True])
def test_packed_class_folders_are_read_as_the_folders_are(tmp_path, wrapped):
    folder = fill(tmp_path / "photos", {"10": 3, "9": 2, "9/inside": 1}, suffix=".jpg")
    (folder / "9" / "notes.txt").write_text("seen in May")
    if wrapped:
        path = pack_folder(tmp_path / "photos.tar", folder)
    else:
        inside = [file for file in folder.rglob("*.*") if file.is_file()]
        path = pack(tmp_path / "t.tar", {f"./{file.relative_to(folder)}": file.read_bytes() for file in inside})
    data, files = read_data(path), read_data(folder)
    assert data.class_names == files.class_names == ("9", "10")
    assert data.train.target.tolist() == files.train.target.tolist()
    contents = [data.train.items.file(index).read() for index in range(len(data.train))]
    assert contents == [file.read_bytes() for file in files.train.paths]
    assert "the class of an image is the folder that holds it" in said(data)
    assert "1 file that is not an image of a class is left out: " in said(data)


def test_a_tar_file_may_hold_the_folders_of_parts(tmp_path):
    for part, counts in {"train": {"ant": 3, "bee": 2}, "val": {"bee": 1}}.items():
        fill(tmp_path / "photos" / part, counts)
    data = read_data(pack_folder(tmp_path / "photos.tar", tmp_path / "photos"))
    assert {name: part.class_counts.tolist() for name, part in data.items()} == {"train": [3, 2], "validation": [0, 1]}
    (tmp_path / "shards").mkdir()
    pack_folder(tmp_path / "shards" / "train.tar", tmp_path / "photos" / "train")
    pack_folder(tmp_path / "shards" / "val.tar", tmp_path / "photos" / "val")
    packed = read_data(tmp_path / "shards")
    assert [part.target.tolist() for _, part in packed.items()] == [part.target.tolist() for _, part in data.items()]
    (tmp_path / "shards" / "val.tar").rename(tmp_path / "shards" / "test.tar")
    with pytest.raises(ValueError, match="test.tar must hold samples of test alone.* A folder names validation"):
        read_data(tmp_path / "shards")


@pytest.mark.parametrize("wrapped", ["", "photos/"])
def test_folders_of_parts_are_read_as_such_where_labels_are_beside_the_images(tmp_path, wrapped):
    parts = {"train": [0, 1, 0], "val": [1], "test": [0, 1]}
    members = {f"{wrapped}{part}/{name}": value for part in parts for name, value in samples(parts[part]).items()}
    data = read_data(pack(tmp_path / "photos.tar", members))
    assert [list(map(int, own.target)) for own in (data.train, data.validation, data.test)] == [*parts.values()]
    assert "photos.tar: the part of a sample is the folder that holds it." in said(data)
    with pytest.raises(ValueError, match=r"train.tar must hold samples of train alone, .* A folder names train and "):
        read_data(pack(tmp_path / "shards" / "train.tar", members).parent)


def test_other_folders_than_those_of_parts_say_nothing_about_the_part(tmp_path):
    for place, folders in enumerate((("train", "more"), ("a", "b"), ("x/train", "y/test"))):
        members = {f"{folder}/{name}": value for folder in folders for name, value in samples([0, 1]).items()}
        data = read_data(pack(tmp_path / f"{place}.tar", members))
        assert len(data.train) == 4


def test_two_folders_of_one_part_are_refused(tmp_path):
    path = pack(tmp_path / "t.tar", {f"{part}/ant/1.png": picture(1) for part in ("train", "val", "valid")})
    with pytest.raises(ValueError, match="t.tar must hold one folder for each part. Got val and valid"):
        read_data(path)


def test_fingerprints_are_those_of_names_and_contents_change_with_the_files(tmp_path):
    members = samples(["a", "b", "a"])
    first = read_data(pack(tmp_path / "here" / "t.tar", members)).train
    moved = read_data(pack(tmp_path / "there" / "t.tar", members)).train
    assert first.fingerprint == moved.fingerprint
    assert first.content != moved.content
    renamed = {name.replace("0001", "0007"): content for name, content in members.items()}
    for other in (renamed, {**members, "0000.cls": "b"}, dict(list(members.items())[:4])):
        assert read_data(pack(tmp_path / "there" / "t.tar", other)).train.fingerprint != first.fingerprint
    assert first.take([0, 1]).fingerprint == moved.take([0, 1]).fingerprint != moved.take([1, 0]).fingerprint


def test_shards_give_the_splits_and_the_pixels_of_files(tmp_path):
    folder = fill(tmp_path / "photos", {"ant": 12, "bee": 6}, suffix=".jpg")
    files = read_data(folder)
    members: dict[str, bytes | str] = {}
    for path, target in zip(files.train.paths, files.train.target, strict=True):
        key = f"{path.parent.name}_{path.stem}"
        members |= {f"{key}.jpg": path.read_bytes(), f"{key}.cls": files.class_names[target]}
    data = read_data(pack(tmp_path / "t.tar", members))
    ours, theirs = (make_splits(parts, validation=0.2, test=0.2, seed=0) for parts in (data, files))
    for part, other in zip(dict(ours.items()).values(), dict(theirs.items()).values(), strict=True):
        assert part.target.tolist() == other.target.tolist()
        of_shard, of_files = image_loader(part, size=8), image_loader(other, size=8)
        assert all(np.array_equal(of_shard(index), of_files(index)) for index in range(len(part)))


@pytest.mark.slow
def test_workers_read_shards_as_files(tmp_path):
    folder = fill(tmp_path / "photos", {"ant": 12, "bee": 8}, suffix=".jpg")
    path = pack_folder(tmp_path / "photos.tar", folder)
    seen = []
    for data, workers in ((folder, 0), (path, 0), (path, 2)):
        config = OwnDataConfig(dataset="own", size=8, mean=(0.5,) * 3, std=(0.5,) * 3, augment="light", workers=workers)
        split = load_splits(config, data, torch.device("cpu")).train
        batches = split.batches(
            torch.arange(len(split)),
            [slice(0, 4), slice(4, 8)],
            augment=None,
            generator=torch.Generator().manual_seed(0),
            each_once=True,
        )
        seen.append(torch.cat([images for images, _ in batches]))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_images_to_predict_need_no_labels(tmp_path):
    path = pack(tmp_path / "0.tar", {"b.png": picture(1), "a.2020.png": picture(2), "a.2021.png": picture(3), "x": b""})
    found = tar_images([path], [])
    assert (reds(found), found.items.paths) == ([1, 2, 3], ["b.png", "a.2020.png", "a.2021.png"])
    other = pack(tmp_path / "1.tar", samples(["a", "b"]))
    assert found.items.names[0] == f"{path}:b.png"
    assert reds(tar_images([other, path], [])) == [0, 1, 1, 2, 3]
    with pytest.raises(ValueError, match="0.tar must hold images. It holds 0.npy"):
        tar_images([pack(path, {"0.npy": b""})], [])


def test_kinds_are_told_apart(tmp_path):
    pack(tmp_path / "shards" / "train-0.tar", samples(["a", "b"]))
    fill(tmp_path / "folder", {"ant": 1})
    kinds = {
        tmp_path / "shards": "tar folder",
        tmp_path / "shards" / "train-0.tar": "tar",
        tmp_path / "folder": "folder",
    }
    for path, expected in kinds.items():
        assert next(name for name, kind in KINDS_OF_DATA.items() if kind.fits(path)) == expected


@pytest.mark.slow
def test_the_commands_take_shards(tmp_path, capsys):
    folder = fill(tmp_path / "photos", {"ant": 20, "bee": 12}, suffix=".jpg")
    path = pack_folder(tmp_path / "photos.tar", folder)
    moments = ["--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5"]
    settings = ["--model", "resnet8-cifar", "--no-pretrained", *moments, "--size", "8", "--epochs", "1"]
    for data, out in ((folder, "a"), (path, "b")):
        assert main(["train", "finetune", "--data", str(data), *settings, "--out", str(tmp_path / out)]) == 0
    logits = [np.load(tmp_path / out / "predictions-test.npz")["logits"] for out in "ab"]
    assert np.array_equal(*logits)
    assert main(["doctor", str(path)]) == 0
    assert main(["evaluate", str(tmp_path / "a"), "--data", str(path)]) == 0
    for data, out in ((folder, "a.csv"), (path, "b.csv")):
        assert main(["predict", str(tmp_path / "a"), str(data), "--out", str(tmp_path / out)]) == 0
    one, other = (pd.read_csv(tmp_path / name).sort_values("path", ignore_index=True) for name in ("a.csv", "b.csv"))
    assert other["path"].tolist() == sorted(f"photos/{file}" for file in read_data(folder).train.files)
    assert one.drop(columns="path").equals(other.drop(columns="path"))
    capsys.readouterr()
