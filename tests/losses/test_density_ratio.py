"""LADE's regulariser in closed form is the one that autograd follows."""

import math

import pytest
import torch

from longtail.losses.density_ratio import _regulariser, density_ratio_regulariser

CLASSES = 6
LOG_PRIOR = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.04, 0.01], dtype=torch.float64).log()


def make(kind):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, CLASSES, dtype=torch.float64, generator=generator) * 3
    if kind == "soft":
        return logits, torch.rand(9, CLASSES, dtype=torch.float64, generator=generator).softmax(1)
    target = torch.randint(0, CLASSES - 1, (9,), generator=generator)  # no sample of the last class
    if kind == "ignored":
        target[::3] = -100
    return logits, target


def derivatives(function, logits, target):
    """The value, its gradient, and the gradient of a function of that."""
    logits = logits.clone().requires_grad_()
    value = function(logits, target, LOG_PRIOR, 0.3, -100)
    (gradient,) = torch.autograd.grad(value, logits, create_graph=True)
    return value.detach(), gradient.detach(), torch.autograd.grad(gradient.square().sum(), logits)[0]


@pytest.mark.parametrize("kind", ["index", "ignored", "soft"])
@pytest.mark.parametrize("masked", [(), (1, 2), (slice(None), 2), (3, slice(None))])
def test_has_the_derivatives_of_the_plain_operations(kind, masked):
    logits, target = make(kind)
    if masked:
        logits[masked] = -math.inf
    first = torch.autograd.functional.jacobian(lambda z: density_ratio_regulariser(z, target, LOG_PRIOR, 0.3), logits)
    got, want = derivatives(density_ratio_regulariser, logits, target), derivatives(_regulariser, logits, target)
    for ours, theirs in zip((*got, first), (*want, want[1]), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["index", "ignored", "soft"])
@pytest.mark.parametrize("masked", [(), (1, 2), (slice(None), 2), (3, slice(None))])
@pytest.mark.slow
def test_a_graph_has_the_same_gradient(kind, masked):
    logits, target = make(kind)
    if masked:
        logits[masked] = -math.inf
    if kind == "ignored":
        logits[target == -100] = math.nan
    found = []
    torch._dynamo.reset()
    for function in (torch.compile(density_ratio_regulariser, fullgraph=True), density_ratio_regulariser):
        leaf = logits.clone().requires_grad_()
        value = function(leaf, target, LOG_PRIOR, 0.3)
        value.backward()
        found.append((value.detach(), leaf.grad))
    for ours, theirs in zip(*found, strict=True):
        assert theirs.isfinite().all()
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_ignored_logits_may_have_any_value(value):
    logits, target = make("ignored")
    clean = density_ratio_regulariser(logits, target, LOG_PRIOR, 0.3)
    logits[0] = value  # of an ignored sample
    logits.requires_grad_()
    got = density_ratio_regulariser(logits, target, LOG_PRIOR, 0.3)
    torch.testing.assert_close(got.detach(), clean)
    got.backward()
    assert not logits.grad[0].any()
    assert logits.grad.isfinite().all()


def test_a_graph_may_be_walked_again():
    logits, target = make("index")
    logits.requires_grad_()
    value = density_ratio_regulariser(logits, target, LOG_PRIOR, 0.3)
    value.backward(retain_graph=True)
    first = logits.grad.clone()
    (2 * value).backward()
    torch.testing.assert_close(logits.grad, 3 * first)


def test_dense_logits_are_those_of_their_positions():
    logits, target = make("index")
    dense = density_ratio_regulariser(logits.view(3, 3, CLASSES).movedim(-1, 1), target.view(3, 3), LOG_PRIOR, 0.3)
    torch.testing.assert_close(dense, density_ratio_regulariser(logits, target, LOG_PRIOR, 0.3))
