"""Offsets of the candidates beside slow references."""

import numpy as np

from longtail.posthoc import PostHocLogitAdjustment
from longtail.repair.candidates import BY_SAMPLES, adjustment_offsets, candidates
from longtail.repair.folds import Splits
from longtail.repair.metrics import BalancedAccuracy, make_metric
from longtail.repair.samples import Samples

COUNTS = np.array([900.0, 400.0, 90.0, 30.0, 8.0, 2.0])


def test_adjustment_is_that_of_the_post_hoc_class():
    prior = np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    expected = PostHocLogitAdjustment(COUNTS, target_prior=prior).fit().offset_
    np.testing.assert_allclose(adjustment_offsets(COUNTS, prior), expected - expected.mean(), atol=1e-9)


def test_without_training_counts_the_samples_of_each_fit_are_counted():
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(3), [60, 20, 10])
    splits = Splits(np.arange(90) % 3, 3)
    metric = BalancedAccuracy()
    rule = next(rule for rule in candidates(metric) if rule.name == BY_SAMPLES)
    fits = rule.fit(Samples.of(rng.normal(size=(90, 3)), target), splits, metric)
    for fitted, kept in zip(fits, splits.sees[:, splits.fold], strict=True):
        counts = np.bincount(target[kept], minlength=3) + 0.5
        np.testing.assert_allclose(fitted.direction, -np.log(counts) + np.log(counts).mean())


def test_a_class_of_prior_zero_takes_no_part():
    prior = np.array([0.5, 0.5, 0.0])
    metric = make_metric("accuracy", 3, prior)
    assert adjustment_offsets(np.array([9.0, 3.0, 1.0]), metric.prior(3))[2] == 0.0
