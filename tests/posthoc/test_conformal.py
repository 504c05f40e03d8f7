import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail.posthoc.conformal import (
    classwise_thresholds,
    fewest_samples,
    interpolated_thresholds,
    marginal_threshold,
    rank_of_threshold,
)


@given(st.integers(1, 99), st.integers(0, 500))
def test_ranks_are_those_of_the_decimal_fraction(percent, num_samples):
    """In floating point (n + 1)(1 − α) may lie above the whole number that it is; the rank would be one too many."""
    exact = -(-(num_samples + 1) * (100 - percent) // 100)
    assert rank_of_threshold(num_samples, percent / 100) == exact
    assert (rank_of_threshold(num_samples, percent / 100) <= num_samples) == (
        num_samples >= fewest_samples(percent / 100)
    )


def test_a_threshold_is_reached_by_as_many_samples_as_its_rank():
    values = torch.from_numpy(np.random.default_rng(0).random(199))
    for miscoverage, rank in [(0.005, 199), (0.05, 190), (0.1, 180), (0.5, 100), (0.995, 1)]:
        assert int((values >= marginal_threshold(values, miscoverage)).sum()) == rank


def test_with_too_few_samples_a_threshold_is_0():
    values = torch.full((8,), 0.5)
    assert marginal_threshold(values, 0.1) == 0
    assert marginal_threshold(torch.full((9,), 0.5), 0.1) == 0.5
    assert marginal_threshold(values[:0], 0.9) == 0
    labels = torch.tensor([2] * 8)
    assert classwise_thresholds(values, labels, 4, 0.2).tolist() == [0, 0, 0.5, 0]


def test_equal_thresholds_have_themselves_between_them():
    """Else a sample at the threshold would fall out of its set by rounding."""
    labels = torch.zeros(30, dtype=torch.int64)
    for value in np.random.default_rng(0).random(20):
        for share in (0.1, 0.3, 0.7, 0.9):
            values = torch.full((30,), value, dtype=torch.float64)
            assert interpolated_thresholds(values, labels, 2, 0.1, share)[0] == value


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.99, 1.0])
def test_between_lies_on_the_line(share):
    random = np.random.default_rng(0)
    values, labels = torch.from_numpy(random.random(200)), torch.from_numpy(random.integers(0, 3, 200))
    marginal, classwise = marginal_threshold(values, 0.1), classwise_thresholds(values, labels, 3, 0.1)
    expected = share * classwise + (1 - share) * marginal
    torch.testing.assert_close(interpolated_thresholds(values, labels, 3, 0.1, share), expected)
