"""Splits for the measurement of fixes: sizes, classes and groups."""

import numpy as np
import pytest

from fix_splits import Samples, case_of, drawn_by_group, halves, official_or_drawn


@pytest.fixture
def target():
    """Class 3 has one sample, and class 4 has one at the very end."""
    return np.array([0] * 30 + [1] * 20 + [2] * 8 + [3] + [0] * 6 + [1] * 4 + [4])


def test_the_official_split_has_the_last_samples(target):
    train, held_out, test = official_or_drawn(target, (5, 6), 0)
    np.testing.assert_array_equal(train, np.arange(59))
    np.testing.assert_array_equal(held_out, np.arange(59, 64))
    np.testing.assert_array_equal(test, np.arange(64, 69))  # class 4 is not in the training set


def test_drawn_splits_have_the_same_sizes_and_share_nothing(target):
    parts = official_or_drawn(target, (10, 12), 1)
    assert [len(part) for part in parts] == [len(target) - 22, 10, 12]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(target)))
    assert {3, 4} <= set(target[parts[0]])
    assert (parts[2] != official_or_drawn(target, (10, 12), 2)[2]).any()


def test_classes_are_numbered_as_in_training():
    target = np.array([5, 5, 7, 9, 9, 7, 5])
    parts = [np.array([0, 2, 3]), np.array([4, 5]), np.array([1, 6])]
    case = case_of(parts, target, parts, groups=np.arange(7))
    assert case.train.target.tolist() == [0, 1, 2]
    assert case.held_out.target.tolist() == [2, 1]
    assert case.test.target.tolist() == [0, 0]
    assert case.test.groups.tolist() == [1, 6]
    assert case_of(parts[:2], target, parts[:2]).held_out is None


def test_groups_are_not_split():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 400)
    target = groups % 4
    parts = drawn_by_group(target, groups, 0)
    assert sum(len(set(groups[part])) for part in parts) == len(set(groups))
    assert sum(map(len, parts)) == 400
    assert len(parts[1]) == pytest.approx(80, abs=12)


def test_halves_have_half_of_each_class():
    target = np.repeat([0, 1, 2], [40, 10, 3])
    whole = Samples(np.arange(53), target)
    first, second = halves(whole, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([first.features, second.features])), np.arange(53))
    assert np.abs(np.bincount(first.target) - np.bincount(second.target)).max() <= 1
    assert (first.features != halves(whole, 1)[0].features).any()
