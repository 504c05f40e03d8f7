"""The rows of results/prediction-sets.json, on simulated predictions."""

from types import SimpleNamespace

import numpy as np
import pytest

import prediction_sets
from longtail import PostHocLogitAdjustment, set_scores
from longtail.auto.run_sets import RunSets
from pages.prediction_sets import PREVALENCE, RUNS, SOFTMAX, Sets
from pages.prediction_sets import RULES as SHOWN
from prediction_sets import BETWEEN, CURVE, LOSSES, MISCOVERAGE, RULES, halves, row_of_run, rows_of

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


def test_the_sets_of_a_run_are_fitted_on_its_validation_part(monkeypatch):
    rng = np.random.default_rng(1)
    target = rng.choice(3, 1500, p=COUNTS / COUNTS.sum())
    logits = rng.normal(size=(1500, 3)) + 2 * np.eye(3)[target] + np.log(COUNTS)
    parts = {"validation": (logits[:500], target[:500]), "test": (logits[500:], target[500:])}
    run = SimpleNamespace(path="run", load_predictions=parts.get, result={"class_counts": COUNTS.tolist()})
    fix = PostHocLogitAdjustment(COUNTS).fit()
    monkeypatch.setattr(prediction_sets, "load", lambda _: SimpleNamespace(fix=fix))
    row = row_of_run(run, "ce", split=3)
    assert row["predictions"] == "run ce"
    assert row["coverage"] == pytest.approx(0.9, abs=0.04)
    scored = halves(1000, 3)[1]
    held = logits[500:][scored]
    sets = RunSets.fitted(logits[:500], target[:500], class_counts=COUNTS, miscoverage=MISCOVERAGE, prior="uniform")
    expected = set_scores(sets.holds(held, fix.predict(held)), target[500:][scored])
    assert (row["coverage"], row["mean_size"]) == (expected.coverage, expected.mean_size)


def test_the_page_shows_all_rules_that_are_computed():
    assert set(SHOWN) == set(RULES)
    assert [predictions for predictions, _ in RUNS] == [f"run {loss}" for loss in LOSSES]


def test_scores_at_a_size_lie_on_the_line_between_two_miscoverages(rows):
    sets = Sets(rows)
    low, high = sets.of(SOFTMAX, miscoverage=0.1)[0], sets.of(SOFTMAX, miscoverage=0.07)[0]
    half = (low["mean_size"] + high["mean_size"]) / 2
    assert sets.at_size(SOFTMAX, 3, half, "few") == pytest.approx((low["few"] + high["few"]) / 2)
    assert sets.at_size(SOFTMAX, 3, high["mean_size"], "few") == pytest.approx(high["few"])
    assert sets.at_size(SOFTMAX, 3, 3.5, "few") is None
    assert sets.beside_prevalence(PREVALENCE, "marginal", "few") == [pytest.approx(0)]
    assert sets.between() == [*BETWEEN]
