import numpy as np
import pandas as pd
import pytest
import torch

from longtail.class_vectors import as_class_counts, as_class_weights, as_prior, describe_classes


def test_counts_and_priors_are_exact():
    assert as_class_counts([0.1, 0.2]).tolist() == [0.1, 0.2]
    assert as_class_counts(torch.tensor([3, 4], dtype=torch.uint8)).tolist() == [3.0, 4.0]
    prior = as_prior("prior", np.full(8142, 1 / 8142, dtype=np.float32), 8142)
    assert prior.sum().item() == pytest.approx(1, abs=1e-15)
    assert as_prior("prior", "uniform", 4).tolist() == [0.25] * 4


def test_classes_in_words():
    assert describe_classes(np.array([False, True])) == "1 (1 class)"
    assert describe_classes(torch.arange(12) < 11) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (11 classes)"


def test_a_series_in_another_order_than_the_classes_is_refused():
    target = pd.Series([1, 1, 1, 0, 2, 2])
    with pytest.raises(TypeError, match=r"Got a pandas Series by \[1, 2, 0\]"):
        as_class_counts(target.value_counts())
    assert as_class_counts(target.value_counts().sort_index()).tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], "hold one weight for each of the 3 classes. Got 2"),
        ([1, 2, 0], "be finite and above 0. Got 0 for class 2"),
        ([1, np.nan, 1], "be finite and above 0. Got nan for class 1"),
        ([1, 1, np.inf], "be finite and above 0. Got inf for class 2"),
    ],
)
def test_class_weights_are_finite_and_above_0(weights, message):
    with pytest.raises(ValueError, match=f"`class_weight` must {message}"):
        as_class_weights("class_weight", weights, 3)
    assert as_class_weights("class_weight", torch.tensor([1, 2, 3]), 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "function",
    [
        as_class_counts,
        lambda values: as_prior("prior", values, 3),
        lambda values: as_class_weights("weight", values, 3),
    ],
)
def test_masked_values_are_refused(function):
    values = np.ma.masked_array([0.5, 0.25, 0.25], mask=[False, True, False])
    with pytest.raises(TypeError, match=r"` must have no masked values\. Leave them out, or fill them in"):
        function(values)
    function(values.filled(0.25))


@pytest.mark.parametrize(
    ("values", "got"),
    [
        (pd.DataFrame([[90, 10]]), "Got a table: pass one of its columns"),  # iterating gives the names 0 and 1
        ({90, 10, 5}, "Got a set: pass a list"),
        ({"cat": 90, "lynx": 10}, "Got a mapping: pass its values"),
        ("123", "Got '123'"),
        (b"123", "Got b'123'"),
        (None, "Got None"),
        (np.array([1j, 2]), "Got array"),
        (torch.tensor([1j, 2]), "Got tensor"),
        (np.array(["2020-01-01", "2021-01-01"], dtype="M8[D]"), "Got array"),
    ],
)
def test_what_holds_no_numbers_in_order_is_refused(values, got):
    with pytest.raises(TypeError, match=f"`class_counts` must hold one number for each class.* {got}"):
        as_class_counts(values)
