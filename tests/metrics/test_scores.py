import numpy as np
import pytest
import torch
import torchmetrics
from sklearn import metrics as sklearn_metrics

from longtail.metrics import (
    balanced_accuracy,
    long_tail_scores,
    macro_f1,
    per_class_recall,
    predictions_per_class,
    top1_accuracy,
)

COUNTS = [500, 101, 100, 20, 19, 3]
NUM_CLASSES = len(COUNTS)


def predicted_and_true(samples=300, seed=0, absent=()):
    rng = np.random.default_rng(seed)
    target = rng.choice([c for c in range(NUM_CLASSES) if c not in absent], samples)
    return np.where(rng.random(samples) < 0.6, target, rng.integers(0, NUM_CLASSES, samples)), target


def test_agrees_with_scikit_learn():
    predictions, target = predicted_and_true()
    scores = long_tail_scores(predictions, target, NUM_CLASSES)
    assert scores.top1.item() == pytest.approx(sklearn_metrics.accuracy_score(target, predictions))
    assert scores.balanced_accuracy.item() == pytest.approx(
        sklearn_metrics.balanced_accuracy_score(target, predictions)
    )
    assert scores.macro_f1.item() == pytest.approx(sklearn_metrics.f1_score(target, predictions, average="macro"))
    np.testing.assert_allclose(scores.recall, sklearn_metrics.recall_score(target, predictions, average=None))
    np.testing.assert_array_equal(scores.predicted, np.bincount(predictions, minlength=NUM_CLASSES))
    np.testing.assert_array_equal(scores.support, np.bincount(target, minlength=NUM_CLASSES))


def test_absent_classes_are_named_and_averaged_nowhere():
    predictions, target = predicted_and_true(absent=(1, 4))
    present = [0, 2, 3, 5]
    scores = long_tail_scores(predictions, target, class_counts=COUNTS)
    assert scores.absent == (1, 4)
    assert scores.recall.isnan().nonzero().flatten().tolist() == [1, 4]
    recall = sklearn_metrics.recall_score(target, predictions, labels=present, average=None)
    assert scores.balanced_accuracy.item() == pytest.approx(recall.mean())
    want = sklearn_metrics.f1_score(target, predictions, labels=present, average="macro")
    assert scores.macro_f1.item() == pytest.approx(want)
    assert scores.groups == {"many": (0,), "medium": (2, 3), "few": (5,)}
    assert scores.many.item() == pytest.approx(recall[0])
    assert scores.medium.item() == pytest.approx(recall[1:3].mean())


def test_macro_f1_of_other_libraries_counts_classes_that_are_only_predicted():
    predictions, target = predicted_and_true(absent=(1, 4))
    others = sklearn_metrics.f1_score(target, predictions, average="macro")
    theirs = torchmetrics.functional.f1_score(
        torch.from_numpy(predictions), torch.from_numpy(target), "multiclass", num_classes=8, average="macro"
    )
    found = macro_f1(predictions, target, 8, predicted_absent="zero")
    assert found.item() == pytest.approx(others)
    assert found.item() == pytest.approx(theirs.item())
    assert macro_f1(predictions, target, 8).item() == pytest.approx(others * 6 / 4)
    with pytest.raises(ValueError, match="`predicted_absent` must be one of"):
        macro_f1(predictions, target, 8, predicted_absent="one")


def test_groups_follow_the_thresholds():
    predictions, target = predicted_and_true()
    scores = long_tail_scores(predictions, target, class_counts=COUNTS)
    assert scores.groups == {"many": (0, 1), "medium": (2, 3), "few": (4, 5)}
    assert scores.few.item() == pytest.approx(scores.recall[4:].mean().item())
    moved = long_tail_scores(predictions, target, class_counts=COUNTS, many_above=100, few_below=101)
    assert moved.groups == {"many": (0, 1), "medium": (), "few": (2, 3, 4, 5)}
    assert moved.medium.isnan()
    ungrouped = long_tail_scores(predictions, target, NUM_CLASSES)
    assert ungrouped.groups == {}
    assert ungrouped.many.isnan()


def test_scores_stand_for_their_largest_entry():
    predictions, target = predicted_and_true()
    logits = torch.nn.functional.one_hot(torch.from_numpy(predictions), NUM_CLASSES).float()
    assert long_tail_scores(logits, torch.from_numpy(target)).top1 == top1_accuracy(predictions, target, NUM_CLASSES)
    assert torch.equal(predictions_per_class(logits, NUM_CLASSES), predictions_per_class(predictions, NUM_CLASSES))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64"])
def test_every_integer_dtype_counts_like_int64(dtype):
    largest = min(299, np.iinfo(dtype).max)
    target = torch.linspace(0, largest, 60).round().long()
    predictions = torch.where(torch.arange(60) % 3 == 0, target.flip(0), target)
    want = long_tail_scores(predictions, target, 300)
    for kind in (getattr(torch, dtype), torch.int64):
        got = long_tail_scores(predictions.to(getattr(torch, dtype)), target.to(kind), 300)
        assert got.scalars() == pytest.approx(want.scalars(), nan_ok=True)
        assert torch.equal(got.predicted, want.predicted)
    counts = predictions_per_class(predictions.numpy().astype(dtype), 300)
    assert torch.equal(counts, want.predicted)
    scores = torch.nn.functional.one_hot(predictions, 300).to(getattr(torch, dtype))
    assert long_tail_scores(scores, target).top1 == want.top1


@pytest.mark.parametrize("num_classes", [None, 2, 6])
def test_a_column_of_labels_is_not_taken_for_scores(num_classes):
    labels = torch.tensor([0, 1, 1])
    counts = None if num_classes else [5, 3]
    with pytest.raises(ValueError, match=r"Got \(3, 1\) and \(3,\)\. Pass `predictions\[:, 0\]`"):
        long_tail_scores(labels[:, None], labels, num_classes, class_counts=counts)
    with pytest.raises(ValueError, match=r"Got \(3,\) and \(3, 1\)\. Pass `target\[:, 0\]`"):
        long_tail_scores(labels, labels[:, None], num_classes, class_counts=counts)
    with pytest.raises(ValueError, match=r"Got 1\. Pass `predictions\[:, 0\]`"):
        predictions_per_class(labels[:, None], 2)


def test_single_scores_are_those_of_all_scores():
    predictions, target = predicted_and_true()
    scores = long_tail_scores(predictions, target, NUM_CLASSES)
    for function, want in [
        (top1_accuracy, scores.top1),
        (balanced_accuracy, scores.balanced_accuracy),
        (macro_f1, scores.macro_f1),
        (per_class_recall, scores.recall),
    ]:
        assert torch.equal(function(predictions, target, NUM_CLASSES), want)


def test_an_empty_test_set_has_no_scores():
    scores = long_tail_scores(np.zeros(0, dtype=int), np.zeros(0, dtype=int), 3)
    assert scores.top1.isnan()
    assert scores.balanced_accuracy.isnan()
    assert scores.absent == (0, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["a", "b"], np.array([0, 1]), 2), TypeError, "`predictions` must hold numbers. Got list of <U1"),
        ((np.array([0, 1]), np.array([0, 1])), ValueError, "`num_classes` must be given"),
        ((np.array([0, 1]), np.array([0]), 2), ValueError, r"Got \(2,\) and \(1,\)"),
        ((np.array([0, 2]), np.array([0, 1]), 2), ValueError, r"`predictions` must lie in \[0, 2\). Got 2 at index 1"),
        ((np.array([0, 1]), np.array([0, -1]), 2), ValueError, r"`target` must lie in \[0, 2\). Got -1 at index 1"),
        ((np.array([0.0, 1.0]), np.array([0, 1]), 2), TypeError, "`predictions` must hold class indices"),
        ((np.array([[0.1, np.nan]]), np.array([0])), ValueError, "must not hold NaN. Got one in row 0"),
        ((np.zeros((1, 3)), np.array([0]), 2), ValueError, "must have 2 columns. Got 3"),
        ((torch.eye(3, dtype=torch.cfloat), np.arange(3)), TypeError, "must hold real scores. Got torch.complex64"),
        ((np.array([0]), np.array([0]), 1), ValueError, "`num_classes` must be at least 2"),
        ((np.eye(3), np.arange(3), [5, 2, 1]), TypeError, "`num_classes` must be an integer. Got 3 values"),
        ((np.eye(3), np.arange(3), np.ones(3)), TypeError, "`num_classes` must be an integer"),
    ],
)
def test_arguments_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        long_tail_scores(*arguments)


@pytest.mark.parametrize("shape", [(), (2, 3, 4)])
def test_predictions_of_another_shape_are_not_counted(shape):
    with pytest.raises(ValueError, match=r"`predictions` must have the shape \(N,\) or \(N, C\)"):
        predictions_per_class(torch.zeros(shape, dtype=torch.long), 3)


def test_any_container_of_labels():
    predictions, target = predicted_and_true()
    want = balanced_accuracy(predictions, target, NUM_CLASSES)
    for convert in (
        list,
        torch.from_numpy,
        lambda labels: labels.astype(np.uint8),
        lambda labels: labels.astype(np.int32),
    ):
        assert balanced_accuracy(convert(predictions), convert(target), NUM_CLASSES) == want
    scores = long_tail_scores([0, 1, 1], [0, 1, 0], 2)
    assert scores.scalars()["top1"] == pytest.approx(2 / 3)
    assert set(scores.scalars()) == {"top1", "balanced_accuracy", "many", "medium", "few", "macro_f1"}


def test_class_counts_and_num_classes_must_agree():
    with pytest.raises(ValueError, match="`class_counts` must hold 5 classes, as `num_classes` says. Got 3"):
        long_tail_scores([0, 1], [0, 1], 5, class_counts=[3, 2, 1])


def test_predictions_per_class_checks_its_classes():
    with pytest.raises(TypeError, match="`num_classes` must be an integer. Got 'two'"):
        predictions_per_class([0, 1], "two")


def test_thresholds_are_checked():
    target = np.array([0, 1])
    with pytest.raises(ValueError, match=r"`few_below` must be at most `many_above` \+ 1. Got 50 and 10"):
        long_tail_scores(target, target, class_counts=[3, 2], many_above=10, few_below=50)
    with pytest.raises(TypeError, match="`many_above` must be an integer"):
        long_tail_scores(target, target, class_counts=[3, 2], many_above=10.5)


@pytest.mark.parametrize(
    ("predictions", "target", "advice"),
    [
        (torch.zeros(4, 3), torch.eye(4, 3, dtype=torch.long), "one-hot"),
        (torch.zeros(2, 3, 5, 5), torch.zeros(2, 5, 5, dtype=torch.long), "movedim"),
        (torch.zeros(2, 5, 5, dtype=torch.long), torch.zeros(2, 5, 5, dtype=torch.long), r"`predictions\.flatten\(\)`"),
        (torch.zeros(3), torch.tensor(0), r"`predictions\[None\]`"),
        (torch.tensor(0), torch.tensor(0), r"`predictions\[None\]`"),
    ],
)
def test_an_error_about_shapes_says_what_to_pass(predictions, target, advice):
    with pytest.raises(ValueError, match=rf"Got \({', '.join(map(str, predictions.shape))}.*{advice}"):
        long_tail_scores(predictions, target, class_counts=[5, 3, 2])


def test_ignored_samples_must_be_left_out():
    with pytest.raises(ValueError, match="Got -100 at index 1.*without a label must be left out"):
        top1_accuracy(torch.eye(2), torch.tensor([0, -100]))


@pytest.mark.parametrize("score", [long_tail_scores, top1_accuracy, macro_f1])
def test_class_counts_are_no_number_of_classes(score):
    with pytest.raises(TypeError, match="`num_classes` must be an integer. Got 3 values: .*`num_classes=3`"):
        score([0, 1], [0, 1], [5, 3, 2])
