import numpy as np
import pytest

from longtail.repair import diagnose
from longtail.reports.outcomes import as_rows, candidate_columns, class_columns, shows_classes


def found(num_classes, class_counts=None, metric="balanced-accuracy"):
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(num_classes), np.linspace(60, 6, num_classes).astype(int))
    logits = rng.normal(size=(len(target), num_classes)) + 2 * np.eye(num_classes)[target]
    names = [f"class {label}" for label in range(num_classes)]
    logits += np.linspace(3, 0, num_classes)
    return diagnose(logits, target, class_names=names, class_counts=class_counts, metric=metric)


@pytest.mark.parametrize(("num_classes", "by_class"), [(3, True), (12, True), (13, False)])
@pytest.mark.slow
def test_up_to_twelve_classes_are_shown_by_name(num_classes, by_class):
    own = found(num_classes)
    assert shows_classes(own) == by_class
    headings = [column.heading for column in candidate_columns(own)]
    assert ("tail third" in headings) != by_class


@pytest.mark.slow
def test_classes_run_from_the_most_frequent_in_training():
    columns = class_columns(found(3, class_counts=[5, 500, 50]))
    assert [(column.heading, list(column.cells)) for column in columns[:3]] == [
        ("class", ["class 1", "class 2", "class 0"]),
        ("in training", ["500", "50", "5"]),
        ("samples", ["33", "6", "60"]),
    ]


@pytest.mark.slow
def test_recalls_are_those_of_the_diagnosis():
    own = found(4)
    columns = {column.heading: column.cells for column in class_columns(own)}
    before, best = own.by_class.recall
    assert list(columns["as it is"]) == [f"{100 * value:.1f}" for value in before]
    assert list(columns[own.best]) == [f"{100 * value:.1f}" for value in best]


@pytest.mark.slow
def test_a_group_without_a_class_has_no_column():
    own = found(13, class_counts=np.full(13, 50))
    assert [c.heading for c in candidate_columns(own)] == [
        "candidate",
        "metric",
        "gain",
        "interval",
        "medium",
        "accuracy",
    ]


@pytest.mark.slow
def test_a_candidate_that_failed_has_a_row(monkeypatch):
    monkeypatch.setattr("longtail.repair.candidates.MOST_WORK", 0)
    headings, rows = as_rows(candidate_columns(found(13, metric="macro-f1")))
    assert headings[:4] == ["candidate", "metric", "tail third", "accuracy"]
    assert rows[-1] == ["offsets fitted to the metric", "none", *[""] * (len(headings) - 2)]
