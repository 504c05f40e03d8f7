"""Draws of recalls and false positives: their means, what before and after share, and what they do not depend on."""

import numpy as np
import pytest

from longtail.repair.class_draws import class_draws
from longtail.repair.labels import Labels


def decisions(counts, recalls, seed=0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = np.repeat(np.arange(len(counts)), counts)
    luck, other = rng.random(len(target)), (target + rng.integers(1, len(counts), len(target))) % len(counts)
    before, after = (np.where(luck < np.asarray(own)[target], target, other) for own in recalls)
    return target, before, after


def draws_of(target, before, after, num_classes, *, inflation=1.0, **options):
    return class_draws(Labels.of(target, num_classes, **options), before, after, inflation=inflation)


def test_classes_of_many_samples_have_a_beta_posterior():
    target, before, after = decisions([3000, 2000, 1000], [[0.9, 0.6, 0.3], [0.8, 0.7, 0.6]])
    draws = draws_of(target, before, after, 3)
    by_size = np.array([2, 1, 0])
    for drawn, decided in zip(draws.recall, (before, after), strict=True):
        assert drawn.mean(0).shape == (3,)
        recall = np.array([(decided == target)[target == label].mean() for label in by_size])
        order = np.argsort(drawn.mean(0))
        expected = np.sort(recall)
        np.testing.assert_allclose(drawn.mean(0)[order], expected, atol=0.01)
        size = np.array([1000, 2000, 3000])[np.argsort(recall)]
        np.testing.assert_allclose(drawn.std(0)[order], np.sqrt(expected * (1 - expected) / size), rtol=0.15)


def test_false_positives_are_as_many_as_the_wrong_decisions():
    target, before, after = decisions([300, 100, 30, 5], [[0.9, 0.6, 0.3, 0.1], [0.8, 0.7, 0.6, 0.5]])
    draws = draws_of(target, before, after, 4)
    wrong = (draws.support * (1 - draws.recall)).sum(-1)
    np.testing.assert_allclose(draws.false_positives.sum(-1), wrong)
    for drawn, decided in zip(draws.false_positives, (before, after), strict=True):
        counted = np.bincount(decided[decided != target], minlength=4) / len(target)
        np.testing.assert_allclose(np.sort(drawn.mean(0)), np.sort(counted), rtol=0.3, atol=0.01)


def test_false_positives_of_classes_without_samples_are_left_out():
    target = np.repeat([0, 1], 200)
    before, after = np.where(np.arange(400) % 4 == 0, 2, target), np.where(np.arange(400) % 8 == 0, 1 - target, target)
    draws = draws_of(target, before, after, 3)
    assert draws.recall.shape[-1] == 2
    assert draws.false_positives[0].max() == 0
    assert draws.false_positives[1].mean(0) == pytest.approx([1 / 16, 1 / 16], rel=0.2)


def test_the_gain_varies_less_than_two_independent_scores():
    counts, recalls = [100, 50, 20, 8, 4, 2, 1, 1], [np.linspace(0.9, 0.2, 8), np.linspace(0.9, 0.25, 8)]
    recall = draws_of(*decisions(counts, recalls), 8).recall.mean(-1)
    assert (recall[1] - recall[0]).var() < 0.6 * (recall[0].var() + recall[1].var())


def test_order_and_scale_do_not_matter():
    rng = np.random.default_rng(0)
    target, before, after = decisions([60, 20, 9, 3, 1], [[0.9, 0.6, 0.3, 0.2, 0.1], [0.8, 0.7, 0.6, 0.5, 0.5]])
    weight, groups = rng.integers(1, 4, len(target)).astype(float), rng.integers(0, 40, len(target))
    plain = draws_of(target, before, after, 5, weight=weight, groups=groups)
    rows, columns = rng.permutation(len(target)), np.array([2, 0, 4, 3, 1])
    place = np.argsort(columns)
    moved = draws_of(
        place[target[rows]], place[before[rows]], place[after[rows]], 5, weight=7 * weight[rows], groups=groups[rows]
    )
    np.testing.assert_allclose(moved.recall, plain.recall, atol=1e-9)
    np.testing.assert_allclose(moved.false_positives, plain.false_positives, atol=1e-9)


def test_copies_of_one_group_count_once():
    own = decisions([60, 20, 9, 3, 1], [[0.9, 0.6, 0.3, 0.2, 0.1], [0.8, 0.7, 0.6, 0.5, 0.5]])
    plain = draws_of(*own, 5)
    target, before, after = (np.repeat(values, 4) for values in own)
    copies = draws_of(target, before, after, 5, groups=np.repeat(np.arange(len(own[0])), 4))
    np.testing.assert_allclose(copies.recall, plain.recall, atol=1e-9)
    np.testing.assert_allclose(copies.false_positives, plain.false_positives, atol=1e-9)


def test_inflation_is_that_of_variances():
    own = decisions([3000, 2000, 1000], [[0.9, 0.6, 0.3], [0.8, 0.7, 0.6]])
    plain, inflated = (draws_of(*own, 3, inflation=value) for value in (1.0, 4.0))
    np.testing.assert_allclose(inflated.recall.std(1), 2 * plain.recall.std(1), rtol=0.15)


@pytest.mark.slow
def test_very_many_classes_have_fewer_draws():
    target = np.repeat(np.arange(5000), 2)
    assert draws_of(target, np.roll(target, 1), np.roll(target, 2), 5000).recall.shape == (2, 400, 5000)
