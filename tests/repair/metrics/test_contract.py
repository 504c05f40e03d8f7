import numpy as np
import pytest

from longtail.repair import METRICS, make_metric
from reference import repair as reference

NUM_CLASSES = 7
PRIOR = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
COST = np.random.default_rng(1).random((7, 7)) * (1 - np.eye(7))
REFERENCES = {
    "balanced-accuracy": reference.balanced_accuracy,
    "accuracy": lambda *args: reference.accuracy_under(PRIOR, *args),
    "macro-f1": reference.macro_f1,
    "worst-tenth": lambda *args: reference.worst(0.1, *args),
    "cost": lambda *args: -reference.expected_cost(COST, PRIOR, *args),
}


def metric_of(name):
    named = name in ("accuracy", "cost")
    return make_metric(name, NUM_CLASSES, PRIOR if named else "uniform", COST if name == "cost" else None)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("absent", [(), (3,), (0, 6)])
def test_scores_are_those_of_the_reference_and_of_weighted_samples(name, absent):
    rng = np.random.default_rng(0)
    target = rng.choice([label for label in range(NUM_CLASSES) if label not in absent], 60)
    predicted = np.where(rng.random(60) < 0.5, target, rng.integers(0, NUM_CLASSES, 60))
    repeats = rng.integers(1, 4, 60)
    score = metric_of(name).score(target, predicted, repeats.astype(float), NUM_CLASSES)
    expected = REFERENCES[name](np.repeat(target, repeats), np.repeat(predicted, repeats), NUM_CLASSES)
    assert score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("absent", [(), (3,), (0, 6)])
def test_contributions_are_the_derivative_of_the_score(name, absent):
    """A share of a sample that is decided otherwise changes the score as its contribution, over its class, says."""
    rng = np.random.default_rng(0)
    target = rng.choice([label for label in range(NUM_CLASSES) if label not in absent], 60)
    predicted = np.where(rng.random(60) < 0.5, target, rng.integers(0, NUM_CLASSES, 60))
    weight, metric, share = rng.random(60) + 0.5, metric_of(name), 1e-6
    other = (predicted + 1) % NUM_CLASSES
    support = np.bincount(target, weight, NUM_CLASSES)
    for sample in range(0, 60, 7):
        doubled = np.r_[target, target[sample]], np.r_[predicted, other[sample]], np.r_[weight, share]
        doubled[2][sample] -= share
        changed = metric.score(*doubled, NUM_CLASSES) - metric.score(target, predicted, weight, NUM_CLASSES)
        whole = predicted.copy()
        whole[sample] = other[sample]
        own = metric.contributions(target, predicted, weight, NUM_CLASSES)[sample]
        contribution = metric.contributions(*doubled, NUM_CLASSES)[-1] - own
        assert changed == pytest.approx(share / support[target[sample]] * contribution, rel=1e-3, abs=1e-11)


@pytest.mark.parametrize("name", METRICS)
def test_a_contribution_changes_by_at_most_the_unit_of_its_class(name):
    rng = np.random.default_rng(0)
    target = rng.integers(0, NUM_CLASSES - 1, 60)
    both = tuple(np.where(rng.random(60) < 0.5, target, rng.integers(0, NUM_CLASSES, 60)) for _ in range(2))
    metric = metric_of(name)
    unit = metric.class_units(target, both, np.ones(60), NUM_CLASSES)
    before, after = (metric.contributions(target, own, np.ones(60), NUM_CLASSES) for own in both)
    assert unit.shape == (NUM_CLASSES,)
    assert unit[NUM_CLASSES - 1] == 0
    assert (np.abs(after - before) <= (1 if name != "macro-f1" else 3) * unit[target] + 1e-12).all()


@pytest.mark.parametrize("name", METRICS)
def test_a_prior_is_a_distribution(name):
    prior = metric_of(name).prior(NUM_CLASSES)
    assert prior.sum() == pytest.approx(1)
    assert np.allclose(prior, PRIOR if name in ("accuracy", "cost") else 1 / NUM_CLASSES)
