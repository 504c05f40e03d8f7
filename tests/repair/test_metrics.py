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
def test_a_prior_is_a_distribution(name):
    prior = metric_of(name).prior(NUM_CLASSES)
    assert prior.sum() == pytest.approx(1)
    assert np.allclose(prior, PRIOR if name in ("accuracy", "cost") else 1 / NUM_CLASSES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("top-1", 3), "`metric` must be one of 'balanced-accuracy'"),
        (("macro-f1", 3, [0.5, 0.3, 0.2]), "`prior` must be \"uniform\" for the metric 'macro-f1'"),
        (("accuracy", 3, [0.5, 0.3, 0.3]), "`prior` must"),
        (("accuracy", 3, [0.5, 0.5]), "`prior` must"),
        (("cost", 3), '`cost` must be given for the metric "cost", and only for it'),
        (("macro-f1", 3, "uniform", np.eye(3)), '`cost` must be given for the metric "cost", and only for it'),
        (("cost", 3, "uniform", np.eye(2)), r"`cost` must have the shape \(3, 3\): one row per true class"),
        (
            ("cost", 2, "uniform", np.eye(2)),
            "must be lowest for the correct prediction of each class. It is not for class 0",
        ),
    ],
)
def test_what_is_no_metric_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_metric(*arguments)
