import numpy as np
import pytest

from longtail.repair.candidates import candidates
from longtail.repair.cross_fitting import CrossFitted, cross_fit
from longtail.repair.folds import Splits, stratified_folds
from longtail.repair.metrics import BalancedAccuracy
from longtail.repair.samples import Samples


@pytest.mark.parametrize("rule", [0, 1])
def test_a_constant_for_each_sample_changes_no_decision(rule):
    """Float32 offsets would be rounded to multiples of 0.125 beside logits of a million."""
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(5), [300, 150, 80, 40, 30])
    logits = np.round(8 * (rng.normal(size=(600, 5)) + 2 * np.eye(5)[target] + [2, 1.5, 1, 0.5, 0])) / 8
    metric, splits = BalancedAccuracy(), Splits(stratified_folds(target, 4, 0), 4)
    low, high = (
        cross_fit(candidates(metric)[rule], Samples.of((logits + shift).astype(np.float32), target), splits, metric)
        for shift in (0.0, 2.0**20)
    )
    for strength, decided in low.curve.items():
        np.testing.assert_array_equal(high.curve[strength], decided)
    np.testing.assert_allclose(high.directions, low.directions)


def test_predictions_by_fewer_samples_are_those_of_fits_without_two_folds():
    """`inner[k]` of a sample outside fold k is by the fit without its own fold and k."""
    splits = Splits(np.array([0, 1, 2, 0]), 3)
    inner = np.arange(3 * 2 * 4).reshape(3, 2, 4)
    fitted = CrossFitted(splits, (0.0, 1.0), inner, None, np.zeros((3, 2)))
    one, other = fitted.by_fewer_samples(1.0)
    assert one.tolist() == [inner[1, 1, 0], inner[2, 1, 1], inner[0, 1, 2], inner[1, 1, 3]]
    assert other.tolist() == [inner[2, 1, 0], inner[0, 1, 1], inner[1, 1, 2], inner[2, 1, 3]]
