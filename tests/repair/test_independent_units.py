import numpy as np

from longtail.repair.independent_units import independent_units

LABEL, WEIGHT = np.array([0, 0, 0, 1]), np.array([1.0, 3.0, 2.0, 5.0])


def test_without_groups_every_sample_is_a_unit():
    units = independent_units(LABEL, WEIGHT, None)
    assert units.means(np.arange(4.0), WEIGHT).tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(units.effective_sizes(3), [36 / 14, 1, 1])


def test_a_group_is_one_unit_in_each_of_its_classes():
    units = independent_units(LABEL, WEIGHT, np.array(["a", "a", "b", "a"]))
    assert units.label.tolist() == [0, 0, 1]
    assert units.weight.tolist() == [4, 2, 5]
    assert units.member.tolist() == [0, 1, 0]
    assert units.means(np.array([8.0, 0.0, 1.0, 7.0]), WEIGHT).tolist() == [2, 1, 7]
    np.testing.assert_allclose(units.effective_sizes(3), [36 / 20, 1, 1])
