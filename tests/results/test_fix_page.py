"""What the page of `longtail fix` counts and lists."""

import numpy as np
import pytest

from pages import fix
from pages.fix_group import agrees, agrees_by_fold, chance_of_coverage, gain_by_fold, groups_of, is_covered


def row(seed=0, verdict="use", promised=0.10, after=0.60, error=0.01, **others):
    """Measured: a gain of `after` − 0.50. The interval has a standard error of 0.01."""
    before = {"balanced_accuracy": 0.50, "accuracy": 0.90}
    return {
        "data": "TREC",
        "model": "linear SVM",
        "seed": seed,
        "verdict": verdict,
        "promised": promised,
        "interval": [promised - 0.0257583, promised + 0.0257583],
        "level": 0.99,
        "gain_error": error,
        "before": before,
        "after": {"balanced_accuracy": after, "accuracy": 0.85},
        "by_fold": [{"before": 0.4, "after": 0.52}, {"before": 0.4, "after": 0.48}],
        "others": {name: {"balanced_accuracy": score, "accuracy": 0.8} for name, score in others.items()},
    }


def test_a_measured_gain_is_covered_or_agrees():
    assert is_covered(row(after=0.6257))
    assert not is_covered(row(after=0.6259))
    assert agrees(row(after=0.627))  # 1.96 · √2 points
    assert not agrees(row(after=0.629))
    assert agrees(row(after=0.66, error=0.03))
    assert gain_by_fold(row()) == pytest.approx(0.1)
    assert agrees_by_fold(row(after=0.7))
    assert not agrees_by_fold(row(promised=0.2, after=0.7))


def test_the_chance_of_coverage_is_that_of_right_promises():
    """Compared with a simulation of promised and measured gains."""
    result = row(error=0.02)
    rng = np.random.default_rng(0)
    difference = rng.normal(0, 0.01, 200_000) - rng.normal(0, 0.02, 200_000)
    assert chance_of_coverage(result) == pytest.approx((abs(difference) < 0.0257583).mean(), abs=0.005)
    assert chance_of_coverage(row(error=0.0)) == pytest.approx(0.99, abs=1e-4)


def test_other_ways_are_compared_on_the_splits_that_have_them():
    groups = groups_of([row(class_weight=0.619), row(seed=1, class_weight=0.59), row(seed=2, after=0.9)])
    assert fix.better(groups, "class_weight", 1) == []  # half a point on average is no clear difference
    groups = groups_of([row(class_weight=0.63), row(seed=1, class_weight=0.59), row(seed=2, after=0.9)])
    assert fix.better(groups, "class_weight", 1) == ["linear SVM on TREC (61.0 and 60.0; in 1 of 2 splits)"]
    assert fix.better(groups, "class_weight", -1) == []
    assert fix.better(groups, "thresholds", 1) == []
    assert "- A fix on top of class weights: 0 of 0." in fix.comparisons(groups, 1)
    assert "1 of 1: linear SVM on TREC (61.0 and 60.0; in 1 of 2 splits)." in fix.comparisons(groups, 1)


def test_losses_are_listed():
    rows = [row(after=0.47), row(seed=1), row(seed=2, verdict="keep", after=0.4)]
    assert fix.harmed(rows) == ["linear SVM on TREC, split 0 (−3.0)"]
    assert fix.less_accurate(groups_of(rows)) == ["linear SVM on TREC (−5.0)"]
    assert fix.too_high(groups_of(rows)) == ["linear SVM on TREC (1 of 2: 10.0 promised, 3.5 measured)"]
    assert fix.too_high(groups_of([row(after=0.7)])) == []  # too small a promise


def test_the_summary_counts_fixes_that_were_used():
    said = fix.summary([row(), row(seed=1, after=0.49), row(seed=2, verdict="keep")])
    assert "In 3 cases (1 models and 0 files of published predictions, 3 to 3 splits each), 1 of 2 fixes" in said
    assert "1 of these gains lie in the promised interval; 1.9 would" in said
