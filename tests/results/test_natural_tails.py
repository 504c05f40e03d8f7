"""Curves of a natural tail: what a method gives at equal accuracy."""

import pytest

from natural_tails import LAMBDAS, TAUS, trials
from pages.natural_tails import CE, GALA, LA, FineTuned, Tail, best_at, verdict
from trade_off import mean_curve


def row(method, split, accuracy, balanced, *arguments):
    scores = {"accuracy": accuracy, "balanced_accuracy": balanced, "below_100": balanced}
    return {"method": method, "arguments": list(arguments), "split": split, "raw": scores}


@pytest.fixture
def tail():
    rows = []
    for split, shift in enumerate((0.0, 0.02)):
        rows += [
            row(CE, split, 0.90 + shift, 0.50),
            row(LA, split, 0.88 + shift, 0.60, "tau=0.5"),
            row(LA, split, 0.80 + shift, 0.64, "tau=1"),
            row(GALA, split, 0.88 + shift, 0.62, "lambda_positive=1"),
            row(GALA, split, 0.84 + shift, 0.66, "lambda_positive=2"),
        ]
    return Tail({"rows": rows, "versions": {}, "class_counts": [[9, 1]] * 2})


def test_between_two_strengths_the_curve_is_a_line():
    curve = [(0.9, 0.5), (0.8, 0.7)]
    assert best_at(curve, 0.9) == 0.5
    assert best_at(curve, 0.85) == pytest.approx(0.6)
    assert best_at(curve, 0.1) == 0.7


def test_a_strength_that_lowers_both_scores_is_never_the_best():
    assert best_at([(0.9, 0.5), (0.8, 0.7), (0.7, 0.6)], 0.65) == 0.7


def test_a_price_is_paid_from_the_accuracy_of_cross_entropy_on_the_same_split(tail):
    assert tail.at_price(LA, 0.02) == pytest.approx([0.6, 0.6])
    assert tail.at_price(LA, 0.06) == pytest.approx([0.62, 0.62])
    assert tail.difference(GALA, LA, 0.02) == pytest.approx([0.02, 0.02])


def test_curves_are_sorted_by_strength_and_averaged_over_splits(tail):
    curve = mean_curve(tail, LA)
    assert list(curve) == [0.0, 0.5, 1.0]
    assert [x for point in curve.values() for x in point] == pytest.approx([0.91, 0.5, 0.89, 0.6, 0.81, 0.64])


def test_verdicts_take_two_standard_errors():
    assert verdict([0.01, 0.02, 0.03]) == "higher than"
    assert verdict([-0.01, -0.02, -0.03]) == "lower than"
    assert verdict([0.01, -0.02, 0.03]) == "not distinguishable from"


def test_fine_tuning_stands_beside_the_frozen_features_of_the_same_split(tail):
    scores = dict.fromkeys(("accuracy", "balanced_accuracy", "below_100", "many", "medium", "few"), 0.75)
    for one in tail.rows:
        one["raw"] |= {"many": 0.5, "medium": 0.5, "few": None}
    tuned = {"method": CE, "arguments": [], "split": 1, "raw": scores, "fixed": scores | {"accuracy": 0.7}}
    rows = FineTuned({"rows": [tuned], "config": {}, "versions": {}}).table(tail).splitlines()[2:]
    assert [row.split(" | ")[1:4] for row in rows] == [
        ["all layers", "raw", "75.0"],
        ["all layers", "fixed", "70.0"],
        ["classifier", "raw", "92.0"],
    ]


def test_each_trial_has_a_folder_of_its_own():
    names = [trial.name for trial in trials()]
    assert len(set(names)) == len(names)
    assert len(TAUS) == len(LAMBDAS) == 8
