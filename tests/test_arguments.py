import numpy as np
import pandas as pd
import pytest
import torch

from longtail.arguments import as_float64, check_choice, check_num_classes, from_numpy
from longtail.class_vectors import as_class_counts

VALUES = [3, 1, 2]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8", "i2", ">i8", "u1", "u2", "u4", "u8", "longdouble"])
def test_numbers_of_any_kind_become_a_tensor(dtype):
    array = np.array(VALUES, dtype=dtype)
    read_only = array.copy()
    read_only.setflags(write=False)
    for values in (array, read_only, array[::-1][::-1], pd.Series(array.astype(array.dtype.newbyteorder("=")))):
        assert from_numpy("values", values).tolist() == VALUES
    assert from_numpy("values", array[::-1]).tolist() == VALUES[::-1]


def test_memory_is_shared_where_torch_can():
    array = np.array([1.0, 2.0])
    assert from_numpy("values", array).data_ptr() == array.ctypes.data


@pytest.mark.parametrize("values", [["a", "b"], [None, 1], np.array([1j])])
def test_what_is_not_a_number_is_refused(values):
    with pytest.raises(TypeError, match="`values` must hold numbers. Got"):
        from_numpy("values", values)


@pytest.mark.parametrize(
    "values", [["a", "b"], [1, 10**400], [[1], [1, 2]], [1j], np.array([1j]), object(), np.array(["2020"], "M8")]
)
def test_what_float64_does_not_hold_is_refused(values):
    with pytest.raises(TypeError, match="`values` must hold numbers. Got"):
        as_float64("values", values)
    assert as_float64("values", [1, True, "2"]).tolist() == [1.0, 1.0, 2.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_of_a_graph_and_of_any_precision_become_float64(dtype):
    values = torch.tensor([0.5, 2.0], dtype=dtype, requires_grad=True)
    assert as_float64("values", values).tolist() == [0.5, 2.0]
    with pytest.raises(TypeError, match="`values` must hold numbers. Got"):
        as_float64("values", torch.tensor([1j], requires_grad=True))


@pytest.mark.parametrize("function", [from_numpy, as_float64])
def test_masked_values_are_refused(function):
    values = np.ma.masked_array([0.5, 0.25, 0.25], mask=[False, True, False])
    with pytest.raises(TypeError, match=r"` must have no masked values\. Leave them out, or fill them in"):
        function("values", values)
    function("values", values.filled(0.25))
    function("values", np.ma.masked_array(values.data))  # nothing is masked


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="`x` must hold rows of one length"):
        from_numpy("x", [[1.0, 2.0], [3.0]])


@pytest.mark.parametrize(
    ("value", "guess"),
    [("GALA", "gala"), ("balanced_softmax", "balanced-softmax"), ("balancd-softmax", "balanced-softmax")],
)
def test_a_misspelt_choice_is_guessed(value, guess):
    with pytest.raises(ValueError, match=f"Got '{value}'. Did you mean '{guess}'\\?$"):
        check_choice("loss", value, ["ce", "gala", "balanced-softmax"])


@pytest.mark.parametrize("value", ["adam", 7, None, True])
def test_a_choice_unlike_all_others_is_not_guessed(value):
    with pytest.raises(ValueError, match=f"Got {value!r}.$"):
        check_choice("loss", value, ["ce", "gala", "balanced-softmax"])


@pytest.mark.parametrize("values", [[5, 3], (5, 3), np.array([5, 3]), torch.tensor([5, 3])])
def test_class_counts_and_their_number_are_told_apart(values):
    with pytest.raises(TypeError, match="`num_classes` must be an integer. Got 2 values: .*`num_classes=2`"):
        check_num_classes(values)
    with pytest.raises(ValueError, match="`class_counts` must have .*one number for each class. Got one number, 4"):
        as_class_counts(4)


def test_a_number_that_no_float_holds_is_refused_by_name():
    with pytest.raises(TypeError, match=r"`class_counts` must hold one number for each class. Got \[1, 1000"):
        as_class_counts([1, 10**400])
