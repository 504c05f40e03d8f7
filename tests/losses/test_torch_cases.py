"""PyTorch's own cases for cross-entropy, on losses that must equal it."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from longtail.losses import BalancedSoftmaxLoss, GALALoss

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
TOLERANCES = {torch.bfloat16: 2e-2, torch.float16: 2e-3}
MAKERS = {
    "gala": GALALoss,  # in its first step
    "balanced-softmax": lambda num_classes, **arguments: BalancedSoftmaxLoss([7] * num_classes, **arguments),
}


@pytest.fixture(scope="module")
def cases():
    """The entries of the function and of the module in PyTorch's test data bases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.common_modules import module_db
    function = next(entry for entry in op_db if entry.name == "nn.functional.cross_entropy")
    return function, next(entry for entry in module_db if entry.module_cls is nn.CrossEntropyLoss)


def check(criterion, logits, target, arguments):
    """Value and gradient are those of `F.cross_entropy`."""
    target = target.detach()
    ours, theirs = (logits.detach().clone().requires_grad_() for _ in range(2))
    got, want = criterion(ours, target), F.cross_entropy(theirs, target, **arguments)
    tolerance = TOLERANCES.get(logits.dtype, 1e-5)
    same = {"rtol": tolerance, "atol": tolerance, "equal_nan": True, "check_dtype": False}
    torch.testing.assert_close(got, want, **same)
    got.sum().backward()
    want.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, **same)


def classes_of(logits):
    return logits.shape[1 if logits.dim() > 1 else 0]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.slow
def test_the_cases_of_the_function(cases, make, dtype):
    samples = list(cases[0].sample_inputs("cpu", dtype, requires_grad=True))
    assert len(samples) >= 20
    for sample in samples:
        (target,) = sample.args
        check(make(classes_of(sample.input), **sample.kwargs), sample.input, target, sample.kwargs)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.slow
def test_the_cases_of_the_module(cases, make, training):
    entry = cases[1]
    given = entry.module_inputs_func(entry, "cpu", torch.float64, requires_grad=True, training=training)
    assert len(given) >= 100
    for each in given:
        logits, target = each.forward_input.args
        arguments = each.constructor_input.kwargs
        check(make(classes_of(logits), **arguments).train(training), logits, target, arguments)
