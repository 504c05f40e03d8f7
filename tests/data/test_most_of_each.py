import numpy as np
import pytest

from longtail.data.most_of_each import most_of_each_class


@pytest.mark.parametrize("seed", range(5))
def test_one_more_of_each_would_not_fit(seed):
    counts = np.random.default_rng(seed).integers(0, 30, 12)
    for samples in range(12, int(counts.sum())):
        most = most_of_each_class(counts, samples)
        assert np.minimum(counts, most).sum() <= samples < np.minimum(counts, most + 1).sum()


def test_at_least_one_of_each_is_kept():
    assert most_of_each_class(np.array([5, 5, 5]), samples=2) == 1


def test_no_more_than_there_are():
    assert most_of_each_class(np.array([5, 2]), samples=100) == 5
