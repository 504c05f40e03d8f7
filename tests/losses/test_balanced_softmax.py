import numpy as np
import pytest
import torch
from torch.nn import functional as F

from longtail import BalancedSoftmaxLoss, balanced_softmax_loss
from longtail.data import class_counts


def test_equals_cross_entropy_on_uniform_counts():
    logits, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    torch.testing.assert_close(BalancedSoftmaxLoss([7] * 4)(logits, target), F.cross_entropy(logits, target))


def test_only_the_proportions_of_the_counts_matter():
    logits, target = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    torch.testing.assert_close(
        balanced_softmax_loss(logits, target, [90, 9, 1]), balanced_softmax_loss(logits, target, [0.9, 0.09, 0.01])
    )


@pytest.mark.parametrize(
    "convert", [list, tuple, np.asarray, torch.as_tensor, iter, lambda counts: dict(enumerate(counts)).values()]
)
def test_counts_come_in_any_container(convert):
    logits, target = torch.zeros(2, 3), torch.tensor([0, 2])
    got = BalancedSoftmaxLoss(convert([5, 3, 2]), reduction="none")(logits, target)
    torch.testing.assert_close(got, -torch.tensor([0.5, 0.2]).log())


def test_accepts_what_class_counts_returns():
    counts = class_counts([0, 0, 0, 1])
    loss = BalancedSoftmaxLoss(counts)(torch.zeros(1, 2), torch.tensor([1]))
    torch.testing.assert_close(loss, torch.tensor(4.0).log())


def test_an_empty_class_counts_as_a_half():
    with pytest.warns(UserWarning, match=r"Classes without a training sample are counted as ½: 2 \(1 class\)"):
        criterion = BalancedSoftmaxLoss([4, 3, 0], reduction="none")
    losses = criterion(torch.zeros(3, 3), torch.tensor([0, 1, 2]))
    torch.testing.assert_close(losses, -torch.tensor([4 / 7.5, 3 / 7.5, 0.5 / 7.5]).log())


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ([5], ValueError, "`class_counts` must hold at least 2 classes. Got 1"),
        ([0, 0], ValueError, "at least one sample"),
        ([3, -1], ValueError, "`class_counts` must be finite and at least 0. Got -1 for class 1"),
        ([3, float("nan")], ValueError, "Got nan for class 1"),
        ([[3, 1], [2, 2]], ValueError, r"`class_counts` must have the shape \(C,\). Got \(2, 2\)"),
        ([0.9, 0.1, 0.0], ValueError, r"must be whole numbers where a class is empty, as 2 \(1 class\) is"),
        ({0: 5, 1: 3}, TypeError, r"Got a mapping: .* such as \[class_counts\[c\] for c in range\(num_classes\)\]"),
        ({"a": 5, "b": 3}, TypeError, r"such as \[class_counts\[name\] for name in class_names\]"),
        ("many", TypeError, "`class_counts` must hold one number for each class"),
        (7, ValueError, r"`class_counts` must have the shape \(C,\)"),
    ],
)
def test_counts_are_checked(counts, error, message):
    with pytest.raises(error, match=message):
        BalancedSoftmaxLoss(counts)
