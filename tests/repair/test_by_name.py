import numpy as np
import pytest

from longtail.repair.by_name import ClassIndex, costs_in_class_order, in_class_order, listed, nearest

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
