"""One row of results, on made-up logits whose truth is known."""

import numpy as np
import pytest

from fix_measured import measured
from fix_models import Predictions
from fix_splits import Samples

BIAS = np.array([2.0, 1.0, 0.0])


def draw(number, seed, classes=3, bias=BIAS):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, number)
    return Samples(rng.normal(size=(number, 3)) + 2 * np.eye(3)[target] + bias, target)


@pytest.fixture(scope="module")
def row():
    return measured(Predictions(draw(900, 0), draw(3000, 1)), None, 0)


@pytest.mark.slow
def test_the_gain_of_a_biased_model_is_promised_and_measured(row):
    assert row["verdict"] == "use"
    low, high = row["interval"]
    gain = row["after"]["balanced_accuracy"] - row["before"]["balanced_accuracy"]
    assert 0 < low < row["promised"] < high
    assert gain == pytest.approx(row["promised"], abs=0.06)
    assert row["after"] == row["anyway"]
    assert 0.002 < row["gain_error"] < 0.02
    assert (row["samples"], row["test_samples"]) == (900, 3000)


@pytest.mark.slow
def test_a_test_set_with_all_classes_has_the_promise_of_all(row):
    same = row["on_classes_of_test"]
    assert same["before"] == pytest.approx(row["held_out_before"], abs=1e-9)
    assert same["promised"] == pytest.approx(row["promised"], abs=1e-6)


@pytest.mark.slow
def test_a_test_set_without_a_class_has_the_promise_of_the_others():
    few = draw(3000, 1, classes=2)
    row = measured(Predictions(draw(900, 0), few), None, 0)
    assert row["on_classes_of_test"]["before"] > row["held_out_before"] + 0.05  # class 2 suffers most
    assert row["on_classes_of_test"]["promised"] < row["promised"]


@pytest.mark.slow
def test_other_ways_are_scored_on_the_test_set(row):
    others = row["others"]
    assert others["thresholds"]["balanced_accuracy"] > row["before"]["balanced_accuracy"]
    test, counts = draw(3000, 1), np.exp(BIAS)
    adjusted = measured(Predictions(draw(900, 0), test), counts, 0)["others"]["logit adjustment"]
    assert adjusted["accuracy"] == np.mean((test.features - BIAS).argmax(1) == test.target)


def test_a_model_without_bias_is_kept():
    row = measured(Predictions(draw(900, 0, bias=0.0), draw(900, 1, bias=0.0)), None, 0)
    assert row["verdict"] == "keep"
    assert row["after"] == row["before"]


@pytest.mark.slow
def test_models_of_folds_are_scored_with_the_same_fix():
    test = draw(3000, 1)
    folds = (test.features, draw(3000, 1, bias=0.0).features)
    row = measured(Predictions(draw(900, 0), test, folds), None, 0)
    same, unbiased = row["by_fold"]
    assert same == {when: row[when]["balanced_accuracy"] for when in ("before", "after")}
    assert unbiased["after"] < unbiased["before"]
