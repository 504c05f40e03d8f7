"""Comparisons of methods, from collected runs."""

import pytest

from pages.comparison import Comparison
from pages.methods_digits import TwoProcessors


def run(method, seed, raw, inductive, **result):
    tests = {"raw": scores(raw), "inductive": scores(inductive)}
    return {
        "method": method,
        "seed": seed,
        "differences": {},
        "settings": "",
        "result": {"test": tests, "parameters": 1000, "training_minutes": 0.5, **result},
    }


def scores(share, accuracy=None):
    return {"top1": accuracy or share, "balanced_accuracy": share, "many": 0.9, "medium": 0.8, "few": share / 2}


def content(runs, processor="Some CPU"):
    versions = {"longtail": "0.1.0", "processor": processor}
    return {"versions": versions, "class_counts": [9, 1], "config": {}, "runs": runs}


@pytest.fixture
def comparison():
    runs = [run("ce", 1, 0.6, 0.7), run("ce", 0, 0.5, 0.7), run("gala", 0, 0.7, 0.65), run("gala", 1, 0.7, 0.65)]
    return Comparison(content(runs))


def test_rows_are_means_over_seeds(comparison):
    assert comparison.methods == ["ce", "gala"]
    assert str(comparison.score("ce")) == "55.0 ± 7.1"
    assert comparison.gain("ce", "inductive") == pytest.approx(15)
    assert comparison.mean("ce", "raw", "few") == pytest.approx(27.5)
    assert comparison.ranked() == ["gala", "ce"]
    assert comparison.ranked("inductive") == ["ce", "gala"]
    assert not comparison.equal("ce", "gala")
    first = comparison.table().splitlines()[2]
    assert first == "| ce |  | raw | 0 1 | 55.0 ± 7.1 | 90.0 ± 0.0 | 80.0 ± 0.0 | 27.5 ± 3.5 | 1,000 | 0.50 |"


def test_a_group_without_classes_has_no_score():
    runs = [run("ce", 0, 0.5, 0.5)]
    runs[0]["result"]["test"]["raw"]["few"] = None
    assert "| 90.0 | 80.0 | none | 1,000 |" in Comparison(content(runs)).table()


def test_minutes_are_those_of_both_stages():
    runs = [run("crt", 0, 0.5, 0.5, first_stage={"training_minutes": 12.0, "config": {}, "folder": "ce-seed0"})]
    assert Comparison(content(runs)).table().splitlines()[2].endswith("| 1,000 | 12 |")


def test_accuracy_is_a_column_where_the_test_set_is_not_balanced():
    runs = [run("ce", 0, 0.5, 0.6)]
    assert "accuracy" not in Comparison(content(runs)).table()
    runs[0]["result"]["test"]["raw"]["top1"] = 0.8
    shown = Comparison(content(runs))
    assert shown.table().splitlines()[0] == (
        "| method | settings | predictions | seeds | all | many | medium | few | accuracy | parameters | minutes |"
    )
    assert str(shown.score("ce", "raw", "accuracy")) == "80.0"


def test_two_processors_are_compared_seed_by_seed():
    first = content([run(name, seed, share, share) for name, seed, share in SHARES], "A")
    second = content([run(name, seed, share + 0.01 * (seed + 1), share) for name, seed, share in SHARES[:4]], "B")
    second["runs"] += [run("ldam", 0, 0.1, 0.1)]  # fewer seeds: not compared
    both = TwoProcessors(first, second)
    assert both.methods == ["ce", "gala"]
    assert both.processors == ["A", "B"]
    assert both.largest_change == pytest.approx(1.5)
    assert both.typical_change == pytest.approx(1.5)
    assert both.largest_single_change == pytest.approx(2)
    assert both.typical_single_change == pytest.approx(2.5**0.5)
    assert both.typical_deviation == pytest.approx(7.0710678)
    assert (both.pairs, both.swapped, both.best()) == (1, 0, ["GALA", "GALA"])
    assert both.table().splitlines()[2] == "| ce | 55.0 ± 7.1 | 56.5 ± 7.8 | 1.5 | 2.0 |"


def test_methods_in_another_order_are_counted():
    first = content([run(*one, one[2]) for one in (("ce", 0, 0.5), ("gala", 0, 0.6), ("ldam", 0, 0.7))])
    second = content([run(*one, one[2]) for one in (("ce", 0, 0.65), ("gala", 0, 0.6), ("ldam", 0, 0.7))])
    assert (TwoProcessors(first, second).pairs, TwoProcessors(first, second).swapped) == (3, 1)


SHARES = [("ce", 0, 0.5), ("ce", 1, 0.6), ("gala", 0, 0.6), ("gala", 1, 0.7), ("ldam", 0, 0.1), ("ldam", 1, 0.1)]
