"""The rows of results/prediction-sets.json, on simulated predictions."""

import numpy as np
import pytest

from pages.prediction_sets import PREVALENCE, SOFTMAX, Sets
from pages.prediction_sets import RULES as SHOWN
from prediction_sets import BETWEEN, CURVE, MISCOVERAGE, RULES, halves, rows_of

COUNTS = np.array([400, 80, 15])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    prior = COUNTS / COUNTS.sum()
    target = rng.choice(3, 2000, p=prior)
    raw = rng.normal(size=(2000, 3)) + 1.5 * np.eye(3)[target] + np.log(prior)
    return list(rows_of({"raw": raw, "fixed": raw - np.log(prior)}, target, COUNTS, split=3))


def test_samples_to_fit_on_are_not_scored():
    fitted_on, scored = halves(101, split=0)
    assert sorted([*fitted_on, *scored]) == list(range(101))
    assert len(fitted_on) == 50
    assert not np.array_equal(fitted_on, halves(101, split=1)[0])


def test_each_rule_has_a_curve_and_a_path(rows):
    assert len(rows) == len(RULES) * (len(CURVE) + len(BETWEEN) + 1)
    assert {(row["predictions"], row["score"]) for row in rows} == set(RULES)
    path = [row["thresholds"] for row in rows if row["miscoverage"] == MISCOVERAGE][: len(BETWEEN) + 2]
    assert path == ["marginal", *BETWEEN, "classwise"]


def test_rows_hold_scores_of_sets(rows):
    for row in rows:
        if row["thresholds"] == "marginal":
            assert row["coverage"] > 1 - row["miscoverage"] - 0.04  # more with a large α: no set is empty
        assert 0 <= row["mostly_missed"] <= 1 <= row["mean_size"] <= 3
    softmax, adjusted = (
        next(row for row in rows if row["score"] == score and row["miscoverage"] == MISCOVERAGE)
        for score in ("softmax", "prevalence-adjusted")
    )
    assert adjusted["few"] > softmax["few"]


def test_the_page_shows_all_rules_that_are_computed():
    assert set(SHOWN) == set(RULES)


def test_scores_at_a_size_lie_on_the_line_between_two_miscoverages(rows):
    sets = Sets(rows)
    low, high = sets.of(SOFTMAX, miscoverage=0.1)[0], sets.of(SOFTMAX, miscoverage=0.07)[0]
    half = (low["mean_size"] + high["mean_size"]) / 2
    assert sets.at_size(SOFTMAX, 3, half, "few") == pytest.approx((low["few"] + high["few"]) / 2)
    assert sets.at_size(SOFTMAX, 3, high["mean_size"], "few") == pytest.approx(high["few"])
    assert sets.at_size(SOFTMAX, 3, 3.5, "few") is None
    assert sets.beside_prevalence(PREVALENCE, "marginal", "few") == [pytest.approx(0)]
    assert sets.between() == [*BETWEEN]
