"""Which files `longtail predict` takes."""

import os

import pytest

from longtail.cli.image_files import image_files

NO_FILE = r"must be a file\. It is a pipe or a device\. Copy its content to a file\."


@pytest.mark.parametrize("name", ["photo.jpg", "photos.txt"])
def test_a_pipe_is_refused_as_no_file(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} {NO_FILE}"):
        image_files([tmp_path / name])


def test_what_a_list_names_must_be_files(tmp_path):
    (tmp_path / "photos.txt").write_text("missing.jpg\nphoto.jpg\n")
    (tmp_path / "photo.jpg").mkdir()
    with pytest.raises(ValueError, match=r"photo\.jpg must be a file\. It is a folder\."):
        image_files([tmp_path / "photos.txt"])
    (tmp_path / "photo.jpg").rmdir()
    os.mkfifo(tmp_path / "photo.jpg")
    with pytest.raises(ValueError, match=f"photo.jpg {NO_FILE}"):
        image_files([tmp_path / "photos.txt"])
    (tmp_path / "photo.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="2 listed files are missing, such as .*missing.jpg"):
        image_files([tmp_path / "photos.txt"])


@pytest.mark.parametrize("missing_allowed", [False, True])
def test_a_list_with_labels_is_refused_as_one(tmp_path, missing_allowed):
    (tmp_path / "photo.jpg").touch()
    for line in ("photo.jpg cat", "photo.jpg\t0", "photo.jpg, wild cat"):
        (tmp_path / "photos.txt").write_text(f"{line}\n")
        with pytest.raises(ValueError, match=r"`files` must hold paths alone, .* longtail evaluate RUN --data LIST\.$"):
            image_files([tmp_path / "photos.txt"], missing_allowed=missing_allowed)


def test_a_list_may_name_files_of_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for name in ("home/a.jpg", "~b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "photos.txt").write_text("~/a.jpg\n~b.jpg\n")
    assert image_files([tmp_path / "photos.txt"]) == [tmp_path / "home" / "a.jpg", tmp_path / "~b.jpg"]


def test_a_pattern_gives_its_matches_in_order(tmp_path):
    for name in ("b.jpg", "a.jpg", "c.png", "[1].jpg"):
        (tmp_path / name).touch()
    assert image_files([tmp_path / "?.jpg"]) == [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    assert image_files([tmp_path / "[1].jpg"]) == [tmp_path / "[1].jpg"]
    with pytest.raises(FileNotFoundError, match=r"`files` must match files\. Got .*none\*\.jpg\."):
        image_files([tmp_path / "none*.jpg"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.jpg, which is missing"):
        image_files([tmp_path / "none.jpg"])


def test_a_table_is_not_taken_for_an_image(tmp_path):
    (tmp_path / "photos.csv").write_text("path\nphoto.jpg\n")
    with pytest.raises(
        ValueError, match=r"Parquet or tar files, folders or lists of paths \(.txt\). Got the table .*photos.csv"
    ):
        image_files([tmp_path / "photos.csv"])


def test_lists_of_predict_have_the_endings_of_lists_of_training(tmp_path):
    (tmp_path / "a.jpg").touch()
    for name in ("new.txt", "new.lst", "NEW.LIST"):
        (tmp_path / name).write_text("a.jpg\n")
        assert image_files([tmp_path / name]) == [tmp_path / "a.jpg"]


def test_parquet_files_stand_for_their_images(tmp_path, capsys):
    for name in ("data/train-00000-of-00001.parquet", "data/test-00000-of-00002.parquet", "other.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="test-00001-of-00002.parquet is missing"):
        image_files([tmp_path / "data"])
    (tmp_path / "data" / "test-00001-of-00002.parquet").touch()
    files = ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet", "train-00000-of-00001.parquet"]
    assert image_files([tmp_path / "data"]) == [tmp_path / "data" / name for name in files]
    assert image_files([tmp_path / "data" / "test*.parquet"]) == [tmp_path / "data" / name for name in files[:2]]
    assert image_files([tmp_path / "other.parquet"]) == [tmp_path / "other.parquet"]
    assert capsys.readouterr().err == ""


def test_parquet_files_beside_images_are_tables_about_these(tmp_path, capsys):
    for name in ("a.jpg", "metadata.parquet"):
        (tmp_path / name).touch()
    assert image_files([tmp_path]) == [tmp_path / "a.jpg"]
    assert "holds images: its Parquet or tar files are left out" in capsys.readouterr().err


def test_folders_without_images_are_named(tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "table.csv").touch()
    with pytest.raises(ValueError, match=r"must name at least one image. Got \S*/scans, which holds none\."):
        image_files([tmp_path / "scans"])


def test_a_missing_parquet_file_is_not_one_image_to_leave_out(tmp_path):
    (tmp_path / "photos.txt").write_text("a.jpg\nb.parquet\n")
    with pytest.raises(FileNotFoundError, match=r"Listed files of images are missing: \S*/b.parquet. Correct the list"):
        image_files([tmp_path / "photos.txt"], missing_allowed=True)


def test_parquet_files_in_several_places_beside_images_are_left_out(tmp_path, capsys):
    for name in ("data/a.parquet", "b.parquet", "images/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert image_files([tmp_path]) == [tmp_path / "images" / "c.jpg"]
    assert "holds images: its Parquet or tar files are left out" in capsys.readouterr().err
    (tmp_path / "images" / "c.jpg").unlink()
    with pytest.raises(ValueError, match=r"It holds b.parquet beside data\."):
        image_files([tmp_path])
