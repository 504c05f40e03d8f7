"""Sets of a run: the same for every loss, with the coverage that was asked for, and rare classes in them."""

import numpy as np
import pytest
from scipy.optimize import minimize

from longtail.auto.run_sets import RunSets
from longtail.metrics import set_scores
from longtail.posthoc import PredictionSets

CLASSES, DIMENSIONS = 20, 10
SHARE = 100.0 ** -np.linspace(0, 1, CLASSES)
SHARE /= SHARE.sum()
COUNTS = np.round(5000 * SHARE)
MEANS = 0.8 * np.random.default_rng(0).normal(size=(CLASSES, DIMENSIONS))


def draw(number, seed, *, prior=1.0, scale=1.5):
    """Logits that follow `prior` times the logarithm of the class frequencies, and labels."""
    rng = np.random.default_rng(seed)
    target = rng.choice(CLASSES, number, p=SHARE)
    inputs = MEANS[target] + rng.normal(size=(number, DIMENSIONS))
    logits = inputs @ MEANS.T - (MEANS**2).sum(1) / 2 + prior * np.log(SHARE)
    return (scale * logits).astype(np.float32), target


def scores(sets, logits, target):
    return set_scores(sets.holds(logits, logits.argmax(1)), target, class_counts=COUNTS)


def test_temperature_and_offset_maximise_the_likelihood():
    logits, target = draw(800, 1, prior=0.3)
    found = RunSets.fitted(logits, target, class_counts=COUNTS, miscoverage=0.1, prior="uniform")
    share = COUNTS / COUNTS.sum()
    weight = (share / np.bincount(target, minlength=CLASSES).clip(1))[target]

    def loss(numbers):
        scores = numbers[0] * logits.astype(np.float64) + numbers[1] * np.log(share)
        return weight @ (np.logaddexp.reduce(scores, 1) - scores[np.arange(len(target)), target])

    scale, multiple = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}).x
    assert found.temperature == pytest.approx(1 / scale, rel=2e-3)
    line = multiple * np.log(share)
    np.testing.assert_allclose(found.offset, line - line.mean(), rtol=0.01, atol=0.01)


def test_sets_do_not_depend_on_how_far_the_loss_has_adjusted_the_logits():
    found = []
    for prior in (1.0, 0.5, 0.0):
        sets = RunSets.fitted(*draw(800, 1, prior=prior), class_counts=COUNTS, miscoverage=0.1, prior="uniform")
        found.append(sets.sets.predict_sets(draw(500, 2, prior=prior)[0] / sets.temperature + sets.offset))
    assert np.mean(found[0] != found[1]) < 0.01
    assert np.mean(found[0] != found[2]) < 0.01


@pytest.mark.parametrize("prior", [1.0, 0.0])
def test_coverage_is_that_which_was_asked_for_and_rare_classes_are_held(prior):
    coverage, uniform, training = [], [], []
    logits, target = draw(20_000, 99, prior=prior)
    for seed in range(20):
        held_out = draw(200, seed, prior=prior)
        sets = RunSets.fitted(*held_out, class_counts=COUNTS, miscoverage=0.1, prior="uniform")
        uniform.append(scores(sets, logits, target))
        training.append(
            scores(RunSets.fitted(*held_out, class_counts=COUNTS, miscoverage=0.1, prior="training"), logits, target)
        )
        coverage.append(uniform[-1].coverage.item())
    # Of one set, Beta(181, 20): a standard deviation of 2.1 points; the predicted class may add to it.
    assert np.mean(coverage) > 0.9 - 3 * 0.021 / np.sqrt(20)
    assert np.mean(coverage) < 0.95
    few = [np.mean([found.few.item() for found in kind]) for kind in (uniform, training)]
    assert few[0] > few[1] + 0.2
    sizes = [np.mean([found.mean_size.item() for found in kind]) for kind in (uniform, training)]
    assert sizes[1] < sizes[0]


def test_the_predicted_class_is_in_the_set():
    sets = RunSets.fitted(*draw(300, 1), class_counts=COUNTS, miscoverage=0.3, prior="uniform")
    logits, _ = draw(50, 2)
    predicted = np.full(50, 7)
    assert sets.holds(logits, predicted)[:, 7].all()
    without = PredictionSets.predict_sets(sets.sets, logits / sets.temperature + sets.offset)
    assert not without[:, 7].all()
    np.testing.assert_array_equal(np.delete(sets.holds(logits, predicted), 7, 1), np.delete(without, 7, 1))


def test_classes_without_training_samples_and_separable_samples():
    logits = 100 * np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1, 2, 0]]
    counts = np.array([5, 2, 0])
    sets = RunSets.fitted(logits, logits.argmax(1), class_counts=counts, miscoverage=0.1, prior="uniform")
    assert np.isfinite(sets.temperature)
    assert sets.holds(logits, logits.argmax(1))[np.arange(10), logits.argmax(1)].all()
