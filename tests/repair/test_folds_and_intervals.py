import numpy as np
import pytest

from longtail.repair import make_metric
from longtail.repair.folds import stratified_folds
from longtail.repair.intervals import estimate_of_gain, smoothed_gain, standard_error
from longtail.repair.labels import Labels


@pytest.mark.parametrize("counts", [[50, 20, 7, 1], [3, 1, 1, 1, 1, 1]])
def test_each_class_is_spread_evenly(counts):
    target = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    fold = stratified_folds(target, 5, seed=3)
    assert np.ptp(np.bincount(fold, minlength=5)) <= 1
    for label, count in enumerate(counts):
        held = np.bincount(fold[target == label], minlength=5)
        assert held.sum() == count
        assert np.ptp(held) <= 1
    assert (stratified_folds(target, 5, seed=3) == fold).all()
    assert (stratified_folds(target, 5, seed=4) != fold).any()


def test_a_group_is_never_split_and_folds_stay_of_one_size():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 600)
    target = groups % 4
    fold = stratified_folds(target, 5, seed=0, groups=groups)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in range(60))
    for label in range(4):
        held = np.bincount(fold[target == label], minlength=5)
        assert held.min() > 0.5 * held.mean()


def test_no_change_has_no_interval():
    target = np.array([0, 0, 1, 1, 2])
    assert estimate_of_gain(make_metric("macro-f1", 3), Labels.of(target, 3), target, [target]) == (0.0, 0.0, 0.0)


def test_intervals_cover_the_truth_as_often_as_they_say():
    """True recalls 0.6 → 0.7, 0.5 → 0.5 and 0.3 → 0.6, so a gain of 2/15 in balanced accuracy."""
    rng = np.random.default_rng(0)
    metric, covered, trials = make_metric("balanced-accuracy", 3), 0, 200
    for _ in range(trials):
        target = np.repeat(np.arange(3), [200, 100, 40])
        luck = rng.random(len(target))
        other = (target + 1) % 3
        before = np.where(luck < np.array([0.6, 0.5, 0.3])[target], target, other)
        after = np.where(luck < np.array([0.7, 0.5, 0.6])[target], target, other)
        _, low, high = estimate_of_gain(metric, Labels.of(target, 3), before, [after], level=0.9)
        covered += low <= 2 / 15 <= high
    assert 0.83 <= covered / trials <= 0.96


def test_samples_of_one_group_make_the_interval_wider():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    target = np.tile([0, 1], 200)
    better = rng.random(40) < 0.5
    before = np.where(rng.random(400) < 0.5, target, 1 - target)
    after = np.where(better[groups], target, before)
    metric = make_metric("balanced-accuracy", 2)
    alone = np.ptp(estimate_of_gain(metric, Labels.of(target, 2), before, [after]))
    together = np.ptp(estimate_of_gain(metric, Labels.of(target, 2, groups=groups), before, [after]))
    assert together > 1.3 * alone


@pytest.mark.parametrize("counts", [[300, 100, 30, 10, 3, 1], [400] + [1] * 20])
def test_intervals_cover_where_classes_have_one_to_three_samples(counts):
    """Recalls before and after are drawn for each class, and each class has its true gain."""
    rng = np.random.default_rng(1)
    number = len(counts)
    metric, covered, trials = make_metric("balanced-accuracy", number), 0, 300
    recall = np.stack([np.linspace(0.9, 0.2, number), np.linspace(0.85, 0.5, number)])
    target = np.repeat(np.arange(number), counts)
    other = (target + 1) % number
    for _ in range(trials):
        luck = rng.random(len(target))
        before, after = (np.where(luck < own[target], target, other) for own in recall)
        _, low, high = estimate_of_gain(metric, Labels.of(target, number), before, [after], level=0.95)
        covered += low <= (recall[1] - recall[0]).mean() <= high
    assert covered / trials >= 0.95 - 0.015 - 2 * (0.95 * 0.05 / trials) ** 0.5


@pytest.mark.parametrize("each", [1, 2, 5])
def test_the_standard_error_of_small_classes_is_right_on_average(each):
    """Of 3,000 classes with the same recalls, 0 before and 0.4 after: the variance of a mean of N is 0.24 / N."""
    rng = np.random.default_rng(0)
    number = 3000
    target = np.repeat(np.arange(number), each)
    before = (target + 1) % number
    after = np.where(rng.random(len(target)) < 0.4, target, before)
    error = standard_error(make_metric("balanced-accuracy", number), Labels.of(target, number), before, after)
    assert error == pytest.approx((0.24 / (each * number)) ** 0.5, rel=0.02)


def test_a_group_across_classes_adds_its_covariance():
    """Groups that change together in both classes: the standard error is that of 20 groups, not of 40 units."""
    rng = np.random.default_rng(0)
    groups = np.tile(np.arange(20), 2)
    target = np.repeat([0, 1], 20)
    better = rng.random(20) < 0.5
    before = 1 - target
    after = np.where(better[groups], target, before)
    metric = make_metric("balanced-accuracy", 2)
    alone = standard_error(metric, Labels.of(target, 2), before, after)
    together = standard_error(metric, Labels.of(target, 2, groups=groups), before, after)
    assert together == pytest.approx(alone * 2**0.5, rel=0.05)


def test_a_sample_of_weight_two_counts_as_the_variance_says():
    """n is (Σ w)² / Σ w²: of weights 1 and 3 it is 16 / 10 of 2."""
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1], 500)
    before, after = (np.where(rng.random(1000) < share, target, 1 - target) for share in (0.5, 0.6))
    metric = make_metric("balanced-accuracy", 2)
    weight = np.tile([1.0, 3.0], 500)
    plain = standard_error(metric, Labels.of(target, 2), before, after)
    assert standard_error(metric, Labels.of(target, 2, weight=np.full(1000, 7.0)), before, after) == pytest.approx(
        plain
    )
    assert standard_error(metric, Labels.of(target, 2, weight=weight), before, after) == pytest.approx(
        plain * 1.25**0.5, rel=0.05
    )


def test_the_smoothed_gain_of_the_worst_classes_sees_classes_without_right_decisions():
    """Of classes with one sample each, a third is right before and two thirds are after: all others hide it."""
    target = np.r_[np.repeat(0, 50), 1:31]
    before, after = (np.where((target % 3 < right) | (target == 0), target, 0) for right in (1, 2))
    metric = make_metric("worst-tenth", 31)
    measured = [metric.score(target, own, np.ones(80), 31) for own in (before, after)]
    gain, error = (
        function(metric, Labels.of(target, 31), before, after) for function in (smoothed_gain, standard_error)
    )
    assert measured == [0, 0]
    assert gain == pytest.approx(2 / 3 / 3, abs=0.05)  # 2 pseudo-samples of 3, whose mean rises by a third
    assert 0 < error < 0.3
