import numpy as np
import pytest
import torch

from longtail.metrics import CalibrationErrors, class_wise_error, top_label_error
from reference import repair as reference


def drawn(samples=200, classes=4):
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(classes), samples), rng.integers(0, classes, samples)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, np.ndarray.tolist])
def test_arrays_tensors_and_lists_give_the_same(convert):
    probability, target = drawn()
    expected = reference.calibration_error(probability.max(1), probability.argmax(1) == target, np.ones(200))
    assert top_label_error(convert(probability), convert(target)) == pytest.approx(expected, rel=1e-6)
    assert class_wise_error(convert(probability), convert(target))[0] == pytest.approx(
        class_wise_error(probability, target, np.ones(200))[0], rel=1e-6
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64])
def test_labels_of_every_integer_dtype_count_alike(dtype):
    probability, target = drawn(classes=100)
    expected = top_label_error(probability, target)
    assert top_label_error(probability, target.astype(dtype)) == expected


@pytest.mark.parametrize("error", [top_label_error, class_wise_error])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": np.array([[2.0, -1.0], [0.5, 0.5]])}, "sum of 1 in row 0. Are these logits"),
        ({"probability": np.array([[0.5, 0.5], [3.0, 1.0]])}, "sum of 4 in row 1. Are these logits"),
        ({"probability": np.array([[0.5, 0.5], [np.nan, 1.0]])}, "sum of nan in row 1"),
        ({"target": [0, 2]}, r"`target` must lie in \[0, 2\). Got 2 at index 1"),
        ({"target": [0, -1]}, r"`target` must lie in \[0, 2\). Got -1 at index 1"),
        ({"target": [0]}, "must have the shapes"),
        ({"probability": np.array([0.5, 0.5])}, "must have the shapes"),
        ({"probability": np.zeros((0, 2)), "target": np.zeros(0, int)}, "must have the shapes"),
        ({"weight": [1.0, -1.0]}, "`weight` must hold finite values of at least 0"),
        ({"weight": [0.0, 0.0]}, "not all 0"),
    ],
)
def test_what_are_no_probabilities_is_refused(error, change, message):
    given = {"probability": np.full((2, 2), 0.5), "target": [0, 1], "weight": None} | change
    with pytest.raises(ValueError, match=message):
        error(**given)


def test_labels_are_integers():
    with pytest.raises(TypeError, match="`target` must hold class indices"):
        top_label_error(np.full((2, 2), 0.5), [0.0, 1.0])


def test_probabilities_of_two_decimals_are_probabilities():
    probability = np.full((3, 30), 0.03)
    assert top_label_error(probability, [0, 1, 2]) == pytest.approx(1 / 3 - 0.03)


def test_errors_of_parts_merge_to_those_of_all_samples():
    rng = np.random.default_rng(0)
    probability, target = rng.dirichlet(np.ones(4), 200), rng.choice(4, 200, p=[0.5, 0.3, 0.15, 0.05])
    weight, counts = rng.random(200), np.bincount(target)
    whole, *parts = (CalibrationErrors(counts) for _ in range(4))
    whole.add(probability, target, weight)
    for part, rows in zip(parts, (slice(0, 70), slice(70, 70), slice(70, 200)), strict=True):
        part.add(probability[rows], target[rows], weight[rows])
    for found in (parts[0].merge(parts[1]).merge(parts[2]), parts[2].merge(parts[1].merge(parts[0]))):
        assert found.pooled == whole.pooled == 1
        for name in ("top_label", "class_wise", "reliability"):
            np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)
    with pytest.raises(ValueError, match="`other` must pool the same classes, 1. Got 4"):
        whole.merge(CalibrationErrors(np.ones(4)))


@pytest.mark.parametrize(
    ("enough", "error"), [(-1, ValueError), (1.5, TypeError), (np.nan, TypeError), ("2", TypeError)]
)
def test_classes_are_pooled_below_a_whole_number(enough, error):
    with pytest.raises(error, match="`enough` must be"):
        class_wise_error(np.full((2, 2), 0.5), [0, 1], enough=enough)


def test_double_precision_is_kept():
    probability = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
    assert top_label_error(probability, [0, 1]) == top_label_error(probability.numpy(), [0, 1])
