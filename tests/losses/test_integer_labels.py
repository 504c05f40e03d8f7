"""Class indices of every integer dtype mean what they mean as int64, in every loss."""

import pytest
import torch

from longtail.losses.catalogue import LOSSES
from longtail.losses.parts import mean_divisor
from losses.cases import DEVICE, NUM_CLASSES, every_loss

DTYPES = [
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.uint32,
    torch.int32,
    torch.uint64,
    torch.int64,
]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def labels_in(dtype, num_classes, shape, ignore_index):
    """Labels spread over the classes that the dtype can hold; every third is `ignore_index` where it can hold that."""
    limits = torch.iinfo(dtype)
    largest = min(num_classes - 1, limits.max)
    samples = torch.Size(shape).numel()
    target = torch.linspace(0, largest, samples).round().long().view(shape)
    if limits.min <= ignore_index <= limits.max:
        target.view(-1)[1::3] = ignore_index
    return target.to(DEVICE)


def make(name, num_classes, **arguments):
    counts = torch.linspace(500, 2, num_classes).round()
    return LOSSES[name].module(counts if LOSSES[name].counts else num_classes, **arguments).to(DEVICE)


def loss_and_gradient(criterion, logits, target):
    torch.manual_seed(0)  # some losses draw
    logits = logits.clone().requires_grad_()
    losses = criterion(logits, target)
    losses.sum().backward()
    return losses.detach(), logits.grad


def assert_same(got, want):
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


@every_dtype
@pytest.mark.parametrize("name", LOSSES)
def test_the_divisor_of_a_mean_is_that_of_int64(name, dtype):
    target = labels_in(dtype, 300, (24,), 255)
    target[0] = min(156, torch.iinfo(dtype).max)  # as uint8 it compares as equal to -100
    for criterion in (make(name, 300), make(name, 300, weight=torch.linspace(0.1, 2, 300))):
        found = mean_divisor(criterion, target.to(dtype))
        torch.testing.assert_close(found, mean_divisor(criterion, target), rtol=0, atol=0)


@every_dtype
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.slow
def test_every_integer_dtype_is_as_good_as_int64(name, dtype):
    for num_classes in (NUM_CLASSES, 300):
        for shape in [(24,), (4, 6), (2, 3, 4)]:
            logits = torch.randn(shape[0], num_classes, *shape[1:], device=DEVICE) * 3
            for ignore_index in (-100, 2, 255):
                arguments = {"ignore_index": ignore_index, "label_smoothing": 0.1, "reduction": "mean"}
                target = labels_in(dtype, num_classes, shape, ignore_index)
                for training in (True, False):
                    given, wanted = (make(name, num_classes, **arguments).train(training) for _ in range(2))
                    got = loss_and_gradient(given, logits, target.to(dtype))
                    assert_same(got, loss_and_gradient(wanted, logits, target))
                    assert_same(given.buffers(), wanted.buffers())
                    assert got[0].isfinite()


@every_dtype
@every_loss
def test_pure_functions_take_every_integer_dtype(case, dtype):
    logits = torch.randn(12, NUM_CLASSES, device=DEVICE)
    for ignore_index in (-100, 2, 255):
        target = labels_in(dtype, NUM_CLASSES, (12,), ignore_index)
        got = case.function(logits, target.to(dtype), ignore_index=ignore_index, label_smoothing=0.1)
        want = case.function(logits, target, ignore_index=ignore_index, label_smoothing=0.1)
        torch.testing.assert_close(got, want, rtol=0, atol=0)
        assert not got[target == ignore_index].any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_label_is_not_ignored_because_its_byte_is_that_of_ignore_index(name):
    criterion = make(name, 300, reduction="none")  # -100 is 156 in uint8
    logits = torch.zeros(2, 300, device=DEVICE, requires_grad=True)
    assert (criterion(logits, torch.tensor([156, 44], dtype=torch.uint8, device=DEVICE)) > 0).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("training", [True, False])
def test_labels_out_of_range_are_named_as_they_are(name, training):
    criterion = make(name, NUM_CLASSES, validate=True).train(training)
    logits = torch.zeros(2, NUM_CLASSES, device=DEVICE)
    with pytest.raises(IndexError, match=r"in \[0, 5\).* Got 156 at index 1"):
        criterion(logits, torch.tensor([0, 156], dtype=torch.uint8, device=DEVICE))
    with pytest.raises(IndexError, match=r"in \[0, 5\).* Got -1 at index 0"):
        criterion(logits, torch.tensor([-1, 0], dtype=torch.int8, device=DEVICE))
