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
