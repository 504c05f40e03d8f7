import numpy as np

from longtail.repair.findings import Outcome, Scores
from longtail.repair.verdict import summary_of


def scores(recall, accuracy=0.5):
    recall = np.array(recall)
    return Scores(float(np.nanmean(recall)), {"head third": 0.9, "tail third": float(recall[-1])}, accuracy, recall)


def summary(before, after):
    after = scores(after, 0.4)
    best = Outcome("re-balancing", after, after.score - scores(before).score, (0.01, 0.2), 1.0)
    names = [f"n{label}" for label in range(len(before))]
    return summary_of("use", best, scores(before), "balanced accuracy", np.full(len(before), 9), names)


def test_the_classes_that_change_most_are_named():
    assert (
        "Largest changes of recall: n4 (10.0 → 90.0), n0 (90.0 → 50.0), n1 (80.0 → 60.0); "
        "accuracy on these samples 50.0 → 40.0." in summary([0.9, 0.8, 0.5, np.nan, 0.1], [0.5, 0.6, 0.5, np.nan, 0.9])
    )


def test_with_many_classes_groups_are_named():
    before, after = np.full(13, 0.5), np.full(13, 0.5)
    after[-1] = 0.75
    assert "Mean recall: head third (90.0 → 90.0), tail third (50.0 → 75.0); accuracy" in summary(before, after)


def test_a_class_of_many_samples_that_loses_is_named():
    before, after = np.full(13, 0.5), np.full(13, 0.6)
    before[0], after[0] = 0.9, 0.6
    assert "tail third (50.0 → 60.0); most lost by n0 (90.0 → 60.0); accuracy" in summary(before, after)
