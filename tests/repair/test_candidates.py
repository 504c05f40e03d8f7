"""Offsets of the candidates beside slow references."""

import numpy as np

from longtail.posthoc import PostHocLogitAdjustment
from longtail.repair.candidates import BY_SAMPLES, adjustment_offsets, candidates
from longtail.repair.decisions import Offsets
from longtail.repair.folds import Splits
from longtail.repair.metrics import BalancedAccuracy, make_metric
from longtail.repair.samples import Samples

COUNTS = np.array([900.0, 400.0, 90.0, 30.0, 8.0, 2.0])


def test_adjustment_is_that_of_the_post_hoc_class():
    prior = np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    expected = PostHocLogitAdjustment(COUNTS, target_prior=prior).fit().offset_
    np.testing.assert_allclose(adjustment_offsets(COUNTS, prior), expected - expected.mean(), atol=1e-9)


def test_without_training_counts_all_samples_are_counted():
    """Otherwise a class of one sample would have another offset where it is scored than in the rule that is served."""
    rng = np.random.default_rng(0)
    counts = np.array([60, 20, 1])
    target = np.repeat(np.arange(3), counts)
    splits = Splits(np.arange(81) % 3, 3)
    metric = BalancedAccuracy()
    rule = next(rule for rule in candidates(metric) if rule.name == BY_SAMPLES)
    fits = rule.fit(Samples.of(rng.normal(size=(81, 3)), target), splits, metric)
    assert len(fits) == len(splits.left_out)
    for fitted in fits:
        assert isinstance(fitted, Offsets)
        np.testing.assert_allclose(fitted.direction, -np.log(counts + 0.5) + np.log(counts + 0.5).mean())


def test_a_class_of_prior_zero_takes_no_part():
    prior = np.array([0.5, 0.5, 0.0])
    metric = make_metric("accuracy", 3, prior)
    assert adjustment_offsets(np.array([9.0, 3.0, 1.0]), metric.prior(3))[2] == 0.0


def test_the_fixed_point_of_each_repeat_is_found_once_for_two_candidates(monkeypatch):
    found = []

    def fixed_point(samples, splits, metric):
        found.append(splits)
        return [Offsets(np.zeros(3))] * len(splits.left_out)

    monkeypatch.setattr("longtail.repair.candidates._fixed_point", fixed_point)
    rules = {rule.name: rule for rule in candidates(BalancedAccuracy())}
    samples = Samples.of(np.zeros((9, 3)), np.arange(9) % 3)
    repeats = [Splits(np.arange(9) // 3, 3), Splits(np.arange(9)[::-1] // 3, 3)]
    for name in ("re-balancing to the fixed point", "shrunk fixed point"):
        for splits in repeats:
            rules[name].fit(samples, splits, BalancedAccuracy())
    assert found == repeats
