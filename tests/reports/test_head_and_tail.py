import numpy as np
import pytest

from longtail.repair import diagnose
from longtail.reports.head_and_tail import head_and_tail


def found(num_classes, absent=()):
    rng = np.random.default_rng(0)
    sizes = np.linspace(60, 6, num_classes).astype(int)
    sizes[list(absent)] = 0
    target = np.repeat(np.arange(num_classes), sizes)
    logits = rng.normal(size=(len(target), num_classes)) + 2 * np.eye(num_classes)[target]
    return diagnose(logits, target, class_names=[f"n{label}" for label in range(num_classes)])


@pytest.mark.parametrize(
    ("num_classes", "head", "tail"),
    [
        (2, "the most frequent class (n0)", "the rarest class (n1)"),
        (7, "the 2 most frequent classes (n0, n1)", "the 2 rarest classes (n6, n5)"),
        (13, "the head third", "the tail third"),
    ],
)
def test_ends_are_named(num_classes, head, tail):
    ends = head_and_tail(found(num_classes))
    assert [end.name for end in ends] == [head, tail]


def test_their_recall_is_the_mean_of_their_classes():
    own = found(7)
    ends = head_and_tail(own)
    assert ends is not None
    head, tail = ends
    recall = own.by_class.recall[0]
    assert head.recall(own.before) == pytest.approx(recall[:2].mean())
    assert tail.recall(own.before) == pytest.approx(recall[5:].mean())


@pytest.mark.slow
def test_a_class_without_samples_is_at_neither_end():
    assert head_and_tail(found(4, absent=[3]))[1].name == "the rarest class (n2)"
