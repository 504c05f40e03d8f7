from data.large_set_files import write_tiny
from longtail.data.large_sets.missing import missing_files


def test_indices_of_missing_files_in_order(tmp_path):
    write_tiny("places-lt", tmp_path)
    (tmp_path / "train/arena/1/train_3.jpg").unlink()
    files = [
        "train/arena/1/train_2.jpg",
        "train/nowhere/x.jpg",
        "train/arena/1/train_3.jpg",
        "train/arena/0/train_0.jpg",
        "train/arena/0/train_0.jpg/x.jpg",
    ]
    assert missing_files(tmp_path, files).tolist() == [1, 2, 4]
    assert missing_files(tmp_path, files[:1]).tolist() == []
