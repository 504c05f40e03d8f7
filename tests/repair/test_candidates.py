"""Offsets of the candidates beside slow references."""

import numpy as np
import pytest

from longtail.posthoc import PostHocLogitAdjustment
from longtail.repair.candidates import (
    BY_SAMPLES,
    STRENGTHS,
    LeastCost,
    Offsets,
    adjustment_offsets,
    candidates,
    shrunk_offsets,
)
from longtail.repair.folds import Splits
from longtail.repair.metrics import BalancedAccuracy, make_metric
from longtail.repair.samples import Samples

COUNTS = np.array([900.0, 400.0, 90.0, 30.0, 8.0, 2.0])
UNIFORM = np.full(6, 1 / 6)


def shrunk_reference(offset, seen, counts, prior):
    """The docstring of `shrunk_offsets`, class by class."""
    number = range(len(offset))
    g = [offset[c] - np.log(prior[c]) for c in number]
    x = [np.log(counts[c]) for c in number]
    total = sum(seen)
    x_mean = sum(seen[c] * x[c] for c in number) / total
    g_mean = sum(seen[c] * g[c] for c in number) / total
    slope = sum(seen[c] * (x[c] - x_mean) * (g[c] - g_mean) for c in number)
    slope /= sum(seen[c] * (x[c] - x_mean) ** 2 for c in number)
    line = [g_mean + slope * (x[c] - x_mean) for c in number]
    # weighted least squares of t + v / n to the squared residuals
    kept = [c for c in number if seen[c] > 0]
    w = {c: seen[c] / (seen[c] + 1) for c in kept}
    sums = {power: sum(w[c] / seen[c] ** power for c in kept) for power in (0, 1, 2)}
    right = [sum(w[c] * (g[c] - line[c]) ** 2 / seen[c] ** power for c in kept) for power in (0, 1)]
    determinant = sums[0] * sums[2] - sums[1] ** 2
    t = (right[0] * sums[2] - right[1] * sums[1]) / determinant
    v = (sums[0] * right[1] - sums[1] * right[0]) / determinant
    k = 100.0 if t <= 0 else min(max(max(v, 0) / t, 0.5), 100.0)
    shrunk = [seen[c] / (seen[c] + k) * g[c] + k / (seen[c] + k) * line[c] + np.log(prior[c]) for c in number]
    return np.array(shrunk) - np.mean(shrunk)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("prior", [UNIFORM, np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])])
def test_shrunk_offsets_are_those_of_the_reference(seed, prior):
    rng = np.random.default_rng(seed)
    offset = -np.log(COUNTS) + rng.normal(size=6) / np.sqrt(rng.uniform(1, 9))
    seen = rng.integers(0, 30, 6).astype(float) + np.array([20, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(
        shrunk_offsets(offset, seen, COUNTS, prior), shrunk_reference(offset, seen, COUNTS, prior), atol=1e-10
    )


def test_a_class_without_samples_gets_the_offset_of_the_line():
    offset = adjustment_offsets(COUNTS, UNIFORM)
    shrunk = shrunk_offsets(np.where(COUNTS == 2, 0.0, offset), np.array([9, 9, 9, 9, 9, 0.0]), COUNTS, UNIFORM)
    np.testing.assert_allclose(shrunk, offset, atol=1e-9)


def test_noise_of_rare_classes_is_shrunk_and_a_true_deviation_is_not():
    """Offsets on the line but for noise of variance 4/n; then one of 500 samples far from it."""
    rng = np.random.default_rng(0)
    counts = np.geomspace(2000, 4, 60)
    seen = np.maximum(1, np.rint(counts / 20))
    truth = adjustment_offsets(counts, np.full(60, 1 / 60))
    noisy = truth + rng.normal(size=60) * np.sqrt(4 / seen)
    shrunk = shrunk_offsets(noisy, seen, counts, np.full(60, 1 / 60))
    tail = seen <= 3
    assert np.square(shrunk - truth)[tail].mean() < 0.2 * np.square(noisy - truth)[tail].mean()
    off = noisy.copy()
    off[0] += 3.0
    assert shrunk_offsets(off, seen, counts, np.full(60, 1 / 60))[0] - shrunk[0] > 2.0


def test_two_classes_are_left_as_they_are():
    offset = np.array([-0.7, 0.7])
    assert shrunk_offsets(offset, np.array([5.0, 1.0]), np.array([50.0, 3.0]), np.full(2, 0.5)) is offset


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strengths", [STRENGTHS, (0.0, 0.5, 1.0), (0.0, 1.0), (0.0,)])
def test_decisions_for_all_strengths_are_those_for_each(dtype, strengths):
    rng = np.random.default_rng(0)
    logits, rule = rng.normal(size=(500, 40)).astype(dtype), Offsets(2 * rng.normal(size=40))
    decided = rule.decide_for_all(logits, strengths)
    assert decided.shape == (len(strengths), 500)
    for got, strength in zip(decided, strengths, strict=True):
        np.testing.assert_array_equal(got, (logits + (strength * rule.direction).astype(dtype)).argmax(1))
    assert len(strengths) == 1 or (decided[0] != decided[-1]).mean() > 0.5


def test_decisions_by_cost_for_all_strengths():
    rng = np.random.default_rng(0)
    logits, rule = rng.normal(size=(50, 4)), LeastCost(1.5, rng.normal(size=4), rng.random((4, 4)))
    for got, strength in zip(rule.decide_for_all(logits, (0.0, 1.0)), (0.0, 1.0), strict=True):
        np.testing.assert_array_equal(got, rule.decide(logits, strength))
