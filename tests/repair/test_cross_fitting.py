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


def fits_that_disagree() -> tuple[CrossFitted, np.ndarray]:
    """Four samples in three folds, two values of τ; and `inner[k]`, the predictions of fits without fold k too."""
    splits, rows = Splits(np.array([0, 1, 2, 0]), 3), np.arange(4)
    inner = np.arange(3 * 2 * 4).reshape(3, 2, 4)
    own = inner[splits.fold, :, rows].T
    differences = [(where, wanted.flat[where]) for wanted in inner for where in [np.flatnonzero(wanted != own)]]
    return CrossFitted(splits, (0.0, 1.0), own, differences, None, np.zeros((3, 2))), inner


def test_predictions_of_the_other_folds_are_those_of_fits_without_a_fold():
    fitted, inner = fits_that_disagree()
    for number, rest in enumerate(([1, 2], [0, 2, 3], [0, 1, 3])):
        found = fitted.of_the_others(number)
        np.testing.assert_array_equal(list(found.values()), inner[number][:, rest])
        assert list(found) == [0.0, 1.0]


def test_predictions_by_fewer_samples_are_those_of_fits_without_two_folds():
    """`inner[k]` of a sample outside fold k is by the fit without its own fold and k."""
    fitted, inner = fits_that_disagree()
    one, other = fitted.by_fewer_samples(1.0)
    assert one.tolist() == [inner[1, 1, 0], inner[2, 1, 1], inner[0, 1, 2], inner[1, 1, 3]]
    assert other.tolist() == [inner[2, 1, 0], inner[0, 1, 1], inner[1, 1, 2], inner[2, 1, 3]]


def test_each_fit_predicts_the_samples_that_it_left_out():
    rng = np.random.default_rng(1)
    target = np.repeat(np.arange(4), [60, 30, 15, 15])
    logits = rng.normal(size=(120, 4)) + np.eye(4)[target] + [1.5, 1, 0.5, 0]
    metric, samples = BalancedAccuracy(), Samples.of(logits, target)
    splits = Splits(stratified_folds(target, 4, 0), 4)
    rule = candidates(metric)[0]
    fits = rule.fit(samples, splits, metric)
    fitted = cross_fit(rule, samples, splits, metric)
    assert any(len(where) for where, _ in fitted.differences)
    for number in range(4):
        others = np.flatnonzero(splits.fold != number)
        expected = [fits[splits.without(splits.fold[row], number)].decide(logits[[row]], 1.0).item() for row in others]
        assert fitted.of_the_others(number)[1.0].tolist() == expected
