import pandas as pd

from data.tars import pack, samples
from longtail.data import read_data


def test_a_file_in_two_parts_is_noted(tmp_path):
    rows = [("a.png", "x", "train"), ("b.png", "y", "train"), ("./a.png", "x", "test"), ("c.png", "y", "test")]
    pd.DataFrame(rows, columns=["path", "label", "split"]).to_csv(tmp_path / "table.csv", index=False)
    notes = [note for note in read_data(tmp_path / "table.csv").notes if "do not show" in note]
    assert len(notes) == 1
    assert notes[0].startswith(f"1 file is in train and in test, such as {tmp_path / 'a.png'}: ")


def test_files_of_one_name_in_two_folders_are_two(tmp_path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "1.png").touch()
    assert not [note for note in read_data(tmp_path).notes if "do not show" in note]


def test_lists_that_share_files_are_noted(tmp_path):
    for name in ("train", "val", "test"):
        (tmp_path / f"{name}.txt").write_text("a.png 0\nb.png 1\nc.png 1\n")
    parts = read_data(tmp_path / "train.txt", val=tmp_path / "val.txt", test=tmp_path / "test.txt")
    found = [note.partition(",")[0] for note in parts.notes if "do not show" in note]
    assert found == [
        "3 files are in train and in validation",
        "3 files are in train and in test",
        "3 files are in validation and in test",
    ]


def test_images_of_a_tar_file_in_two_parts_are_noted(tmp_path):
    shards = [pack(tmp_path / f"{number}.tar", samples(["a", "b"])) for number in range(2)]
    (note,) = [note for note in read_data(shards[0], test=shards[0]).notes if "do not show" in note]
    assert note.startswith(f"2 files are in train and in test, such as {shards[0]}:0000: ")
    assert not [note for note in read_data(shards[0], test=shards[1]).notes if "do not show" in note]
