"""Labels match names and nothing else; integers of arrays are indices."""

import numpy as np
import pandas as pd
import pytest
import torch

from longtail.repair import read_predictions


def of_table(columns, labels, **options):
    frame = pd.DataFrame(3 * np.eye(len(labels), len(columns)), columns=columns)
    found = read_predictions(frame.assign(label=labels), **options)
    return [found.class_names[index] for index in found.target], found.notes


def of_arrays(target, number=3, **options):
    return read_predictions({"logits": 3 * np.eye(len(target), number), "target": target}, **options)


@pytest.mark.parametrize(
    ("columns", "labels", "expected"),
    [
        (["3", "2", "1"], ["1.0", "2.0", "3.0"], ["1", "2", "3"]),
        (["3", "2", "1"], [1.0, 2.0, 3.0], ["1", "2", "3"]),
        (["2", "1", "0"], [0, 1, 2], ["0", "1", "2"]),
        (["10", "20", "30"], ["30.0", "10.0", "20"], ["30", "10", "20"]),
        (["1", "2", "3", "4"], ["1.0", "2.0", "3.0"], ["1", "2", "3"]),
        (["cat", "dog"], [" cat", "dog "], ["cat", "dog"]),
        (["caf\u00e9", "dog"], ["cafe\u0301", "dog"], ["caf\u00e9", "dog"]),
        (["cafe\u0301", "dog"], ["caf\u00e9", "dog"], ["caf\u00e9", "dog"]),
        (["False", "True"], [True, False], ["True", "False"]),
        (["0", "1"], [True, False], ["1", "0"]),
    ],
)
def test_labels_of_tables_are_names(columns, labels, expected):
    assert of_table(columns, labels)[0] == expected


def test_what_was_changed_is_said():
    assert "the table: labels such as 1.0 are read as class 1." in of_table(["2", "1"], ["1.0", "2"])[1]
    assert "the table: labels such as True are read as class 1." in of_table(["0", "1"], [True, False])[1]


@pytest.mark.parametrize("kind", [int, np.int64, float, np.float32])
def test_numbers_of_any_type_in_an_array_of_objects_are_indices(kind):
    target = np.array([kind(2), kind(0), kind(1)], dtype=object)
    assert of_arrays(target, class_names=["cat", "dog", "lynx"]).target.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["cat", "dgo"],
            "the table, row 2: the label 'dgo' is not one of the 2 classes 'cat', 'dog'. Most similar: 'dog', 'cat'",
        ),
        (["Cat", "dog"], "row 1: the label 'Cat' is not one of the 2 classes .* Most similar: 'cat'"),
        (["0", "1"], "'0' is not one of .* 'dog'. Labels are .* never by position: use .* instead of numbers"),
        (["cat", None], "row 2: the label is empty"),
        (["cat", " "], "row 2: the label is empty"),
    ],
)
def test_a_label_that_is_no_name_is_an_error_with_the_nearest(labels, message):
    with pytest.raises(ValueError, match=message):
        of_table(["cat", "dog"], labels, class_names=["cat", "dog"])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (np.array([0, 2, 1]), [0, 2, 1]),
        (np.array([0, 2, 1], dtype=np.uint8), [0, 2, 1]),
        (np.array([[0], [2], [1]]), [0, 2, 1]),
        (np.array([0.0, 2.0, 1.0]), [0, 2, 1]),
        (torch.tensor([0, 2, 1]), [0, 2, 1]),
        (["0", "2", "1"], [0, 2, 1]),
        (["0.0", "2.0", "1.0"], [0, 2, 1]),
    ],
)
def test_integers_of_arrays_are_indices(target, expected):
    assert of_arrays(target).target.tolist() == expected
    if not isinstance(target, list):
        assert of_arrays(target, class_names=["c", "b", "a"]).target.tolist() == expected


def test_integers_are_names_where_all_names_are_integers():
    found = of_arrays(np.array([1, 2, 3]), class_names=[1, 2, 3])
    assert found.target.tolist() == [0, 1, 2]
    assert any("labels are matched to the class names '1', '2', '3', which are integers" in n for n in found.notes)
    assert of_arrays(np.array([1, 2, 1]), class_names=[2, 1, 3]).target.tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="row 1: the label '0' is not one of the 3 classes '1', '2', '3'"):
        of_arrays(np.array([0, 1, 2]), class_names=[1, 2, 3])


def test_strings_need_names():
    assert of_arrays(["dog", "cat", "dog"], 2, class_names=["cat", "dog"]).target.tolist() == [1, 0, 1]
    assert of_arrays(np.array([b"dog", b"cat"]), 2, class_names=[b"cat", b"dog"]).target.tolist() == [1, 0]
    with pytest.raises(
        ValueError, match="the label is 'dog', but the scores have no class names.* such as `model.classes_`"
    ):
        of_arrays(["dog", "cat"], 2)


def test_booleans_are_the_classes_0_and_1():
    found = of_arrays(np.array([True, False]), 2)
    assert found.target.tolist() == [1, 0]
    assert "labels such as True are read as class 1" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.eye(3), r"Got \(3, 3\). One-hot\? Pass the argmax"),
        (np.zeros((3, 2)), r"one label per sample, \(N,\). Got labels of the shape \(3, 2\)"),
        (np.array([0, np.nan, 1]), "row 2: labels must be class indices or names. Got nan"),
        (np.array([0, 0.5, 1]), "row 2: labels must be class indices or names. Got 0.5"),
        (np.array([0, 3, 1]), "row 2: the label 3 is not an index of the 3 classes, 0 to 2"),
        (np.array([0, 1, -100]), "row 3: the label -100 is not an index .* Drop samples to be ignored"),
        (np.array([2**64 - 1, 0, 1], dtype=np.uint64), "row 1: the label 18446744073709551615 is not an index"),
    ],
)
def test_targets_that_are_none_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        of_arrays(target)
    with pytest.raises(ValueError, match="Got 3 rows of scores and 2 labels"):
        read_predictions((3 * np.eye(3), [0, 1]))


@pytest.mark.parametrize("several", [["cat", "dog"], ("cat",), np.array(["cat", "dog"]), {"cat": 1}])
@pytest.mark.parametrize("options", [{}, {"class_names": ["cat", "dog"]}])
def test_several_labels_for_a_sample_are_refused(several, options):
    with pytest.raises(ValueError, match="Several labels for one sample are not supported"):
        of_table(["cat", "dog"], [several, several], **options)
