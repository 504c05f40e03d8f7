"""Images of Parquet files that have no labels."""

import pandas as pd
import pytest

from data.pictures import picture, reds
from longtail.data import read_data
from longtail.data.tables import file as table_file
from longtail.data.tables.parquet_images import parquet_images


def write(path, images, **columns):
    pd.DataFrame({"image": images, **columns}).to_parquet(path)
    return path


def struct(red, path):
    return {"bytes": picture(red), "path": path}


def test_rows_of_several_files_need_no_labels(tmp_path):
    notes: list[str] = []
    files = [write(tmp_path / "a.parquet", [picture(1), picture(2)]), write(tmp_path / "b.parquet", [picture(3)])]
    found = parquet_images([*files, files[0]], notes)
    assert reds(found) == [1, 2, 3, 1, 2]
    assert found.items.names == [f"{files[number]}:{row}" for number, row in ((0, 0), (0, 1), (1, 0), (0, 0), (0, 1))]
    assert found.items.paths == [""] * 5
    (note,) = notes
    assert "b.parquet" in note
    assert note.endswith("images are read from the column 'image', as bytes.")


def test_a_shard_without_rows_is_passed_over(tmp_path):
    for number, images in enumerate([[], [picture(1)], [picture(2)]]):
        write(tmp_path / f"train-0000{number}-of-00003.parquet", images, label=[f"class {number}"] * len(images))
    parts = read_data(tmp_path)
    assert reds(parts.train) == [1, 2]
    assert any("1 file has no rows: train-00000-of-00003.parquet" in note for note in parts.notes)
    notes: list[str] = []
    files = sorted(tmp_path.iterdir())
    assert parquet_images(files, notes).items.names == [f"{files[1]}:0", f"{files[2]}:0"]
    assert "no rows" in notes[0]
    with pytest.raises(ValueError, match=r"train-00000-of-00003\.parquet must hold at least one row"):
        parquet_images(files[:1], [])


def test_stored_paths_are_kept(tmp_path):
    file = write(tmp_path / "a.parquet", [struct(1, "x.png"), struct(2, None), struct(3, "y.png")])
    found = parquet_images([file], [])
    assert found.items.paths == ["x.png", "", "y.png"]
    assert found.take([2]).items.paths == ["y.png"]


def test_a_file_without_any_image_is_read_by_the_column_of_another(tmp_path):
    empty = write(tmp_path / "a.parquet", [{"bytes": None, "path": "x.png"}] * 2)
    found = parquet_images([empty, write(tmp_path / "b.parquet", [struct(3, "y.png")])], [])
    assert found.items.contents[:2] == [b"", b""]
    with pytest.raises(
        ValueError, match="a.parquet must hold the bytes of the images of 'image'. It holds their paths"
    ):
        parquet_images([empty], [])


def test_columns_of_files_may_have_other_names(tmp_path):
    other = tmp_path / "b.parquet"
    pd.DataFrame({"photo": [picture(3)], "x": [1.0]}).to_parquet(other)
    notes: list[str] = []
    assert reds(parquet_images([write(tmp_path / "a.parquet", [picture(1)]), other], notes)) == [1, 3]
    assert len(notes) == 2


def test_a_table_of_paths_or_features_is_refused(tmp_path):
    for columns in ({"image": ["a.jpg"]}, {"x": [1.0]}):
        pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
        with pytest.raises(
            ValueError, match=r"t.parquet must hold images as bytes. Its columns: (image|x)\. Where one"
        ):
            parquet_images([tmp_path / "t.parquet"], [])


def test_files_that_do_not_fit_into_memory_together_are_refused(tmp_path, monkeypatch):
    files = [write(tmp_path / f"{number}.parquet", [picture(number)] * 50) for number in range(3)]
    monkeypatch.setattr(table_file, "free_memory", lambda: 1)
    with pytest.raises(ValueError, match="must fit into memory"):
        parquet_images(files, [])


def test_columns_may_be_numbers(tmp_path):
    table = pd.DataFrame({0: [picture(1), picture(2), picture(3)], 1: ["ant", "bee", "ant"]})
    table.to_parquet(tmp_path / "train-0.parquet")
    assert reds(parquet_images([tmp_path / "train-0.parquet"], [])) == [1, 2, 3]
    for data in (tmp_path, tmp_path / "train-0.parquet"):
        assert read_data(data, label="1").train.target.tolist() == [0, 1, 0]


def test_of_several_columns_of_images_the_one_of_a_usual_name_is_read_and_no_other_is_guessed(tmp_path):
    file = tmp_path / "train.parquet"
    table = pd.DataFrame({"mask": [picture(9)] * 3, "image": [picture(1)] * 3, "label": ["ant", "bee", "ant"]})
    table.to_parquet(file)
    assert reds(parquet_images([file], [])) == reds(read_data(file).train) == [1, 1, 1]
    table.rename(columns={"image": "photo"}).to_parquet(file)
    for read in (lambda path: parquet_images([path], []), read_data):
        with pytest.raises(
            ValueError, match=r"train.parquet has several columns of images: mask, photo. Name one with"
        ):
            read(file)
    assert reds(read_data(file, path_column="photo").train) == [1, 1, 1]
