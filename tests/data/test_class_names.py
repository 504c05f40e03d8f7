import re

import numpy as np
import pandas as pd
import pytest
import torch

from longtail.data import read_data
from longtail.data.class_names import named_labels, ordered, refuse_distinct


def test_integers_are_sorted_as_numbers_and_anything_else_as_text():
    assert ordered(["1000000055", "10", "2280"]) == ("10", "2280", "1000000055")
    assert ordered(["10", "9", "x"]) == ("10", "9", "x")
    assert ordered(["7", "007", "10"]) == ("007", "7", "10")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([1_000_000_055, 10, 2280, 10], ("10", "2280", "1000000055")),
        (np.array([[5], [0], [5], [255]], dtype=np.uint8), ("0", "5", "255")),
        (torch.tensor([3, 1, 1], dtype=torch.uint8), ("1", "3")),
        (np.array([1.0, 2.0, 1.0]), ("1", "2")),
        (["1.0", "2", "1"], ("1", "2")),
        (["null", "NA", "007", "7"], ("007", "7", "NA", "null")),
        ([True, False, True], ("False", "True")),
        ([b"cat", b"dog"], ("cat", "dog")),
        ([" cat", "cat ", "dog"], ("cat", "dog")),
        (["caf\u00e9", "cafe\u0301", "tea"], ("caf\u00e9", "tea")),
    ],
)
def test_labels_of_any_kind_have_names(labels, names):
    codes, found = named_labels(labels, "labels", [])
    assert found == names
    assert codes.dtype == np.int64
    assert set(codes.tolist()) == set(range(len(names)))


def test_each_label_keeps_its_own_name():
    labels = ["dog", "ant", "cat", "ant"]
    codes, names = named_labels(labels, "labels", [])
    assert [names[code] for code in codes] == labels


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, -1, 1], "must hold labels of at least 0. Got -1 at sample 1"),
        (["0", "-1"], "must hold labels of at least 0. Got -1 at sample 1"),
        ([0.0, 1.5], "must hold classes: integers or names. Got 1.5 at sample 1"),
        ([0.0, float("nan")], "Got nan at sample 1"),
        (["cat", None], "must hold a label for each sample. Sample 1 has none"),
        (["cat", pd.NA], "must hold a label for each sample. Sample 1 has none"),
        (pd.array(["cat", None], dtype="string"), "must hold a label for each sample. Sample 1 has none"),
        (["cat", "  "], "Sample 1 has none"),
        (np.eye(3), r"\(N,\) or \(N, 1\). Got the shape \(3, 3\). One-hot"),
        ([], "at least one sample. Got none"),
    ],
)
def test_invalid_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        named_labels(labels, "labels", [])


def test_similar_names_are_noted():
    notes: list[str] = []
    named_labels(["7", "007", "8"], "labels", notes)
    assert notes == ["labels has the classes '007' and '7', which are kept apart."]
    notes = []
    named_labels(["Cat", "cat", "dog"], "labels", notes)
    assert "'Cat' and 'cat'" in notes[0]


def test_labels_that_all_differ_are_refused():
    refuse_distinct(np.array([0, 1, 1]), "y")
    with pytest.raises(ValueError, match="All 3 labels differ: is it an identifier or a quantity"):
        refuse_distinct(np.array([0, 1, 2]), "y")


@pytest.mark.parametrize("several", [["cat", "dog"], ("cat",), {"cat": 1}, np.array(["cat", "dog"])])
def test_several_labels_for_a_sample_are_no_class(several):
    table = pd.DataFrame({"length": np.arange(6.0), "label": [*["cat"] * 4, several, several]})
    with pytest.raises(ValueError, match="Several labels for one sample are not supported"):
        read_data(table)


def test_lists_of_labels_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="`y` must hold one label for each sample. Got lists of different lengths"):
        named_labels([[0], [1, 2], [0]], "`y`", [])


@pytest.mark.parametrize("large", [1e300, 2.0**63, -(2.0**70)])
def test_numbers_that_no_integer_holds_are_named_as_they_are(large):
    with pytest.raises(ValueError, match=f"`y` must hold classes: integers or names. Got {re.escape(str(large))} at"):
        named_labels(np.array([1.0, large, 1.0]), "`y`", [])
