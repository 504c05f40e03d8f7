"""What is computed of labels once is what loops over classes give."""

import numpy as np

from longtail.repair.labels import Labels

RNG = np.random.default_rng(0)
TARGET = np.repeat([0, 2, 3, 5], [40, 9, 3, 1])
WEIGHT = RNG.integers(1, 4, len(TARGET)).astype(float)


def test_sums_and_means_are_those_of_each_class():
    labels, values = Labels.of(TARGET, 6, weight=WEIGHT), RNG.normal(size=len(TARGET))
    for label in range(6):
        own = np.equal(TARGET, label)
        assert labels.support[label] == WEIGHT[own].sum()
        expected = np.average(values[own], weights=WEIGHT[own]) if own.any() else 0.0
        np.testing.assert_allclose(labels.class_means(values)[label], expected)
    np.testing.assert_allclose(labels.effective_sizes[[1, 4, 5]], 1)
    assert labels.by_size.tolist() == [5, 3, 2, 0]


def test_without_weights_samples_count_alike():
    assert Labels.of(TARGET, 6).support.tolist() == [40, 0, 9, 3, 0, 1]


def test_units_are_groups_within_a_class():
    labels = Labels.of(TARGET, 6, groups=np.arange(len(TARGET)) // 4)
    assert labels.units.label.tolist() == [*[0] * 10, *[2] * 3, 3, 5]
    values = np.where(labels.units.label == 2, np.arange(15.0), 0)
    np.testing.assert_allclose(labels.class_means(values)[2], (4 * 10 + 4 * 11 + 1 * 12) / 9)
