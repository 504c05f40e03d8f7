import numpy as np
import pandas as pd
import pytest

from longtail.repair.by_name import ClassIndex, by_label, costs_in_class_order, in_class_order, listed, nearest

NAMES = ("cat", "dog", "lynx")


def test_numbers_go_by_name_whatever_their_order():
    np.testing.assert_array_equal(in_class_order("prior", {"lynx": 3, "cat": 1.5, "dog": "2"}, NAMES), [1.5, 2, 3])
    np.testing.assert_array_equal(in_class_order("prior", {10: 1, 2.0: 2}, ["2", "10"]), [2, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cat": 1, "dog": 2}, "`counts` must name every class. It lacks 'lynx'"),
        ({"cat": 1, "dog": 2, "lynx": 3, "Linx": 4}, "Got 'Linx'; most similar: 'lynx'"),
        ({"cat": 1, "cat ": 2, "dog": 1, "lynx": 1}, "must name each class once. Got 'cat' twice"),
        ({"cat": 1, "dog": "many", "lynx": 3}, "must hold a number for each class. Got 'many' for 'dog'"),
        ({"cat": 1, "dog": 10**400, "lynx": 3}, "must hold a number for each class. Got 1000"),
    ],
)
def test_names_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        in_class_order("counts", given, NAMES)


def test_costs_go_by_name_in_rows_and_columns():
    cost = np.arange(9.0).reshape(3, 3)
    order = [2, 0, 1]
    given = {NAMES[row]: {NAMES[column]: cost[row, column] for column in order[::-1]} for row in order}
    np.testing.assert_array_equal(costs_in_class_order(given, NAMES), cost)
    with pytest.raises(ValueError, match=r"`cost\['cat'\]` must name every class. It lacks 'lynx'"):
        costs_in_class_order({**given, "cat": {"cat": 0, "dog": 1}}, NAMES)
    with pytest.raises(ValueError, match="Got no mapping for 'dog'"):
        costs_in_class_order({**given, "dog": 3}, NAMES)


def test_what_an_index_finds():
    assert ClassIndex(["0", "1"]).find("True") == 1
    assert ClassIndex(["0", "1", "2"]).find("True") is None
    assert ClassIndex(["1", "a"]).find("1.0") is None
    assert ClassIndex(["01", "02"]).find("1") is None
    with pytest.raises(ValueError, match="must differ from each other and not be empty"):
        ClassIndex(["cat", " cat"])


def test_long_lists_are_cut_and_signs_that_turn_text_are_shown_as_codes():
    assert listed(map(str, range(20))).endswith("'11', … (20)")
    assert nearest("x", ["a\u202eb"]) == "'a\\u202eb'"


def test_pandas_objects_go_by_their_labels():
    counts = pd.Series(["dog"] * 90 + ["cat"] * 9 + ["lynx"]).value_counts()
    assert list(counts.index) == ["dog", "cat", "lynx"]
    np.testing.assert_array_equal(in_class_order("counts", by_label(counts), NAMES), [9, 90, 1])
    cost = pd.DataFrame([[0, 1], [5, 0]], index=["lynx", "cat"], columns=["lynx", "cat"])
    np.testing.assert_array_equal(costs_in_class_order(by_label(cost), ["cat", "lynx"]), [[0, 5], [1, 0]])
    assert by_label(pd.Series([3, 1])).tolist() == [3, 1]
    assert by_label(pd.DataFrame([[0, 1], [5, 0]])).tolist() == [[0, 1], [5, 0]]
    assert by_label([3, 1]) == [3, 1]
    with pytest.raises(ValueError, match="must name each class once. Got 'a', 'a'"):
        by_label(pd.Series([1, 2], index=["a", "a"]))
