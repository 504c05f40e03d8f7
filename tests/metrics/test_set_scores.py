import numpy as np
import pytest
import torch

from longtail.metrics import long_tail_scores, set_scores

COUNTS = [500, 101, 100, 20, 19, 3]
NUM_CLASSES = len(COUNTS)


def sets_and_labels(samples=300, seed=0, absent=()):
    rng = np.random.default_rng(seed)
    target = rng.choice([c for c in range(NUM_CLASSES) if c not in absent], samples)
    sets = rng.random((samples, NUM_CLASSES)) < 0.3
    sets[np.arange(samples), target] |= rng.random(samples) < 0.6
    return sets, target


def one_by_one(sets, target):
    covered = [bool(own[y]) for own, y in zip(sets, target, strict=True)]
    of_class = {c: [hit for hit, y in zip(covered, target, strict=True) if y == c] for c in range(NUM_CLASSES)}
    return covered, {c: np.mean(hits) for c, hits in of_class.items() if hits}


def test_scores_are_those_of_a_loop_over_samples():
    sets, target = sets_and_labels()
    covered, of_class = one_by_one(sets, target)
    scores = set_scores(sets, target, class_counts=COUNTS)
    assert scores.coverage.item() == pytest.approx(np.mean(covered))
    assert scores.macro_coverage.item() == pytest.approx(np.mean(list(of_class.values())))
    assert scores.class_coverage.tolist() == pytest.approx([of_class[c] for c in range(NUM_CLASSES)])
    assert scores.mean_size.item() == pytest.approx(np.mean([sum(own) for own in sets]))
    assert 0 < scores.empty.item() == pytest.approx(np.mean([not any(own) for own in sets]))
    assert scores.many.item() == pytest.approx(np.mean([of_class[0], of_class[1]]))
    assert scores.medium.item() == pytest.approx(np.mean([of_class[2], of_class[3]]))
    assert scores.few.item() == pytest.approx(np.mean([of_class[4], of_class[5]]))
    assert scores.support.tolist() == np.bincount(target).tolist()
    assert set_scores(sets, target, class_counts=COUNTS, few_below=4).groups["few"] == (5,)
    assert set_scores(sets, target, class_counts=COUNTS, many_above=200).groups["many"] == (0,)


def test_absent_classes_are_named_and_averaged_nowhere():
    sets, target = sets_and_labels(absent=(1, 4))
    of_class = one_by_one(sets, target)[1]
    scores = set_scores(sets, target, class_counts=COUNTS)
    assert scores.absent == (1, 4)
    assert scores.class_coverage.isnan().nonzero().flatten().tolist() == [1, 4]
    assert scores.macro_coverage.item() == pytest.approx(np.mean(list(of_class.values())))
    assert scores.groups == {"many": (0,), "medium": (2, 3), "few": (5,)}
    assert scores.few.item() == pytest.approx(of_class[5])


def test_sets_of_one_class_are_predictions():
    predicted, target = np.random.default_rng(1).integers(0, NUM_CLASSES, (2, 200))
    sets = set_scores(np.eye(NUM_CLASSES, dtype=bool)[predicted], target, class_counts=COUNTS)
    scores = long_tail_scores(predicted, target, class_counts=COUNTS)
    assert sets.coverage == scores.top1
    assert sets.macro_coverage == scores.balanced_accuracy
    assert (sets.many, sets.medium, sets.few) == (scores.many, scores.medium, scores.few)


def test_tensors_lists_and_labels_of_any_integer_dtype_agree():
    sets, target = sets_and_labels()
    expected = set_scores(sets, target, class_counts=COUNTS).scalars()
    assert set_scores(torch.from_numpy(sets), torch.from_numpy(target), class_counts=COUNTS).scalars() == expected
    assert set_scores(sets.tolist(), target.tolist(), class_counts=COUNTS).scalars() == expected
    assert set_scores(sets, target.astype(np.uint8), class_counts=COUNTS).scalars() == expected


def test_without_counts_there_are_no_groups_and_without_samples_no_scores():
    scores = set_scores(*sets_and_labels())
    assert scores.groups == {}
    assert np.isnan([scores.many, scores.medium, scores.few]).all()
    nothing = set_scores(np.zeros((0, 3), dtype=bool), [])
    assert all(np.isnan(value) for value in nothing.scalars().values())
    assert nothing.absent == (0, 1, 2)


def test_what_does_not_fit_is_refused():
    sets, target = sets_and_labels()
    for bad, labels, error, message in [
        (sets.astype(float), target, TypeError, "`sets` must hold booleans .* Got torch.float64. Pass what"),
        ([[0, 1], [2]], [0, 1], ValueError, "`sets` must hold rows of one length"),
        (sets, target[:5], ValueError, r"`sets` and `target` must have the shapes .* Got \(300, 6\) and \(5,\)"),
        (sets[:, 0], target, ValueError, r"Got \(300,\) and \(300,\)"),
        (sets, target + 1, ValueError, r"`target` must lie in \[0, 6\). Got 6 .* Do the sets and the labels"),
        (sets, target * 1.0, TypeError, "`target` must hold class indices"),
    ]:
        with pytest.raises(error, match=message):
            set_scores(bad, labels)
    with pytest.raises(ValueError, match="`class_counts` must hold 6 classes. Got 2"):
        set_scores(sets, target, class_counts=[5, 3])
    with pytest.raises(ValueError, match="`few_below` must be at most"):
        set_scores(sets, target, class_counts=COUNTS, few_below=300)
