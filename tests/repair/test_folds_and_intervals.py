import numpy as np
import pytest

from longtail.repair import make_metric
from longtail.repair.folds import stratified_folds
from longtail.repair.intervals import interval_of_gain


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
    assert interval_of_gain(make_metric("macro-f1", 3), target, target, target, 3) == (0.0, 0.0)


def test_intervals_cover_the_truth_as_often_as_they_say():
    """True recalls 0.6 → 0.7, 0.5 → 0.5 and 0.3 → 0.6, so a gain of 2/15 in balanced accuracy."""
    rng = np.random.default_rng(0)
    metric, covered, trials = make_metric("balanced-accuracy", 3), 0, 200
    for trial in range(trials):
        target = np.repeat(np.arange(3), [200, 100, 40])
        luck = rng.random(len(target))
        other = (target + 1) % 3
        before = np.where(luck < np.array([0.6, 0.5, 0.3])[target], target, other)
        after = np.where(luck < np.array([0.7, 0.5, 0.6])[target], target, other)
        low, high = interval_of_gain(metric, target, before, after, 3, level=0.9, draws=200, seed=trial)
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
    alone = np.ptp(interval_of_gain(metric, target, before, after, 2))
    together = np.ptp(interval_of_gain(metric, target, before, after, 2, groups=groups))
    assert together > 1.3 * alone
