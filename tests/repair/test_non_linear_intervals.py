"""Intervals of macro-F1 and of the mean recall of the worst tenth."""

import numpy as np
import pytest

from longtail.repair import make_metric
from longtail.repair.class_draws import class_draws
from longtail.repair.intervals import estimate_of_gain
from longtail.repair.labels import Labels
from longtail.repair.metrics import MacroF1, WorstRecall

COUNTS = np.array([120, 60, 30, 16, 8, 5, 3, 2, 1, 1])
NUMBER = len(COUNTS)
RECALLS = np.stack([np.linspace(0.9, 0.1, NUMBER), np.linspace(0.8, 0.55, NUMBER)])
TO_FREQUENT = COUNTS / COUNTS.sum(), np.full(NUMBER, 1 / NUMBER)  # where wrong decisions go, before and after


def decisions(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    target = np.repeat(np.arange(NUMBER), COUNTS)
    luck = rng.random(len(target))
    decided = []
    for recall, share in zip(RECALLS, TO_FREQUENT, strict=True):
        odds = np.where(np.eye(NUMBER, dtype=bool), 0, share)
        rows = (odds / odds.sum(1, keepdims=True)).cumsum(1)[target]
        other = (rng.random(len(target))[:, None] > rows[:, :-1]).sum(1)
        decided.append(np.where(luck < recall[target], target, other))
    before, after = decided
    return target, before, after


def true_gain(name):
    scores = []
    for recall, share in zip(RECALLS, TO_FREQUENT, strict=True):
        odds = np.where(np.eye(NUMBER, dtype=bool), 0, share)
        false = (COUNTS * (1 - recall)) @ (odds / odds.sum(1, keepdims=True))
        f1 = 2 * COUNTS * recall / (COUNTS + COUNTS * recall + false)
        scores.append(f1.mean() if name == "macro-f1" else recall.min())
    return scores[1] - scores[0]


@pytest.mark.parametrize("name", ["macro-f1", "worst-tenth"])
@pytest.mark.slow
def test_intervals_cover_where_classes_have_one_to_three_samples(name):
    rng, trials, covered, width = np.random.default_rng(0), 80, 0, []
    for _ in range(trials):
        target, before, after = decisions(rng)
        _, low, high = estimate_of_gain(
            make_metric(name, NUMBER), Labels.of(target, NUMBER), before, [after], level=0.95
        )
        covered += low <= true_gain(name) <= high
        width.append(high - low)
    assert covered / trials >= 0.95 - 0.015 - 2 * (0.95 * 0.05 / trials) ** 0.5
    assert np.mean(width) <= {"macro-f1": 0.3, "worst-tenth": 0.8}[name]


def test_bounds_are_those_of_loops_over_draws():
    target, before, after = decisions(np.random.default_rng(0))
    draws = class_draws(Labels.of(target, NUMBER), before, after)
    f1, worst, of_fixed = (np.empty(draws.recall.shape[:2]) for _ in range(3))
    for decision, (recalls, false) in enumerate(zip(draws.recall, draws.false_positives, strict=True)):
        fixed = np.argmin(recalls.mean(0))
        for number, recall in enumerate(recalls):
            correct = draws.support * recall
            precision = correct / (correct + false[number])
            f1[decision, number] = np.mean(2 * precision * recall / (precision + recall))
            worst[decision, number], of_fixed[decision, number] = recall.min(), recall[fixed]
    low, high = MacroF1().bounds_of_gain(draws)
    np.testing.assert_allclose(low, f1[1] - f1[0])
    np.testing.assert_allclose(high, f1[1] - f1[0])
    low, high = WorstRecall().bounds_of_gain(draws)
    np.testing.assert_allclose(low, worst[1] - of_fixed[0])
    np.testing.assert_allclose(high, of_fixed[1] - worst[0])


@pytest.mark.parametrize("name", ["macro-f1", "worst-tenth"])
def test_with_many_samples_the_estimate_is_the_measured_gain(name):
    rng, metric = np.random.default_rng(0), make_metric(name, 3)
    target = np.repeat(np.arange(3), [9000, 6000, 3000])
    luck, other = rng.random(len(target)), (target + rng.integers(1, 3, len(target))) % 3
    before, after = (
        np.where(luck < np.array(own)[target], target, other) for own in ([0.9, 0.7, 0.3], [0.8, 0.7, 0.6])
    )
    gain, low, high = estimate_of_gain(metric, Labels.of(target, 3), before, [after])
    scores = [metric.score(target, own, np.ones(len(target)), 3) for own in (before, after)]
    measured = scores[1] - scores[0]
    assert gain == pytest.approx(measured, abs=0.005)
    assert low < measured < high < low + 0.06


@pytest.mark.parametrize("name", ["macro-f1", "worst-tenth"])
def test_groups_of_copies_give_the_interval_of_the_originals(name):
    metric, own = make_metric(name, NUMBER), decisions(np.random.default_rng(0))
    target, before, after = (np.repeat(values, 4) for values in own)
    groups = np.repeat(np.arange(len(own[0])), 4)
    plain = estimate_of_gain(metric, Labels.of(own[0], NUMBER), own[1], own[2:])
    assert estimate_of_gain(metric, Labels.of(target, NUMBER, groups=groups), before, [after]) == pytest.approx(
        tuple(plain)
    )
    assert np.ptp(estimate_of_gain(metric, Labels.of(target, NUMBER), before, [after])) < np.ptp(plain)


def test_groups_that_span_classes_make_the_interval_wider():
    rng = np.random.default_rng(0)
    groups = np.tile(np.arange(40), 10)
    target = np.repeat([0, 1], 200)
    before = np.where(rng.random(400) < 0.5, target, 1 - target)
    after = np.where((rng.random(40) < 0.5)[groups], target, before)
    within = groups + 40 * target
    one, other = (
        np.ptp(estimate_of_gain(make_metric("macro-f1", 2), Labels.of(target, 2, groups=own), before, [after]))
        for own in (within, groups)
    )
    assert other > 1.15 * one


@pytest.mark.parametrize("name", ["macro-f1", "worst-tenth"])
def test_order_and_scale_do_not_matter(name):
    rng, metric = np.random.default_rng(1), make_metric(name, NUMBER)
    target, before, after = decisions(rng)
    weight = rng.integers(1, 4, len(target)).astype(float)
    plain = estimate_of_gain(metric, Labels.of(target, NUMBER, weight=weight), before, [after])
    rows, place = rng.permutation(len(target)), rng.permutation(NUMBER)
    target, before, after = (place[values[rows]] for values in (target, before, after))
    moved = estimate_of_gain(metric, Labels.of(target, NUMBER, weight=3 * weight[rows]), before, [after])
    assert moved == pytest.approx(tuple(plain))


@pytest.mark.parametrize("name", ["macro-f1", "worst-tenth"])
def test_repeats_of_the_same_decisions_give_the_interval_of_one(name):
    target, before, after = decisions(np.random.default_rng(3))
    one, ten = (
        estimate_of_gain(make_metric(name, NUMBER), Labels.of(target, NUMBER), before, [after] * n) for n in (1, 10)
    )
    np.testing.assert_allclose(ten, one, atol=0.1 * np.ptp(one))


@pytest.mark.parametrize("name", ["macro-f1", "worst-tenth", "balanced-accuracy"])
def test_a_repeat_without_a_change_counts_as_no_gain(name):
    target, before, after = decisions(np.random.default_rng(3))
    metric = make_metric(name, NUMBER)
    assert estimate_of_gain(metric, Labels.of(target, NUMBER), before, [before, before]) == (0.0, 0.0, 0.0)
    alone, half = (
        estimate_of_gain(metric, Labels.of(target, NUMBER), before, own) for own in ([after], [after, before])
    )
    assert 0 < half.gain < alone.gain
