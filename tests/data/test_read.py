import numpy as np
import pytest

from data.pictures import fill
from longtail.data import read_data


def test_parts_share_no_class_by_mistake(tmp_path):
    fill(tmp_path / "train", {"a": 1, "b": 1})
    fill(tmp_path / "test", {"0": 1, "1": 1})
    with pytest.raises(ValueError, match="the classes of test must be those of train. Not one is: 0, 1 beside a, b"):
        read_data(tmp_path)


def test_parts_of_different_kinds_are_refused(tmp_path):
    fill(tmp_path, {"a": 1, "b": 1})
    with pytest.raises(ValueError, match="test must hold files, as train does. Got features"):
        read_data(tmp_path, test=(np.zeros((3, 1)), ["a", "b", "b"]))
    with pytest.raises(ValueError, match="test must hold 2 features, as train does. Got 1"):
        read_data((np.zeros((3, 2)), [0, 1, 1]), test=(np.zeros((3, 1)), [0, 1, 1]))


def test_a_test_part_may_have_one_sample_of_each_class(tmp_path):
    features, names = np.zeros((6, 2)), list("abcabc")
    train, test = (features, names), (features[:3], names[:3])
    for kind, (inputs, labels) in {"train": train, "test": test}.items():
        np.savez(tmp_path / f"{kind}.npz", x=inputs, y=labels)
        rows = "".join(f"{kind}{index}.png,{name}\n" for index, name in enumerate(labels))
        (tmp_path / f"{kind}.csv").write_text(f"path,label\n{rows}")
    for data, one_each in ((train, test), *((tmp_path / f"train.{s}", tmp_path / f"test.{s}") for s in ("npz", "csv"))):
        assert read_data(data, test=one_each).test.class_counts.tolist() == [1, 1, 1]
        with pytest.raises(ValueError, match="All 3 labels differ: is it an identifier or a quantity"):
            read_data(one_each, test=data)
    assert read_data({"train": train, "val": test}).validation.class_counts.tolist() == [1, 1, 1]
