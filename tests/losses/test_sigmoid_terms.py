"""The closed form of EQL v2 is the loss of its pure function, and learns what its plain path learns."""

import math

import pytest
import torch

from longtail.losses import EQLv2Loss, eql_v2_loss

CLASSES = 6
POSITIVE = torch.tensor([90.0, 35.0, 20.0, 4.0, 0.0, 1.0])
NEGATIVE = torch.tensor([80.0, 50.0, 10.0, 6.0, 0.0, 2.0])


class PlainEQLv2(EQLv2Loss):
    """By operations that autograd follows."""

    def _has_closed_form(self, logits, target):
        return False


def make_loss(kind, **arguments):
    criterion = kind(CLASSES, **arguments)
    criterion.positive.copy_(POSITIVE)
    criterion.negative.copy_(NEGATIVE)
    return criterion


def make(*places, value=-math.inf):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, CLASSES, dtype=torch.float64, generator=generator) * 3
    target = torch.arange(9) % CLASSES
    target[7] = -100
    for place in places:
        logits[place] = value
    return logits, target


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, torch.linspace(0, 2, CLASSES)])
@pytest.mark.parametrize("places", [(), ((1, 3),), ((1, 1),), ((2, slice(None)),)])  # another class, its own, all
def test_is_the_plain_path(reduction, weight, places):
    found = []
    for kind in (EQLv2Loss, PlainEQLv2):
        logits, target = make(*places)
        criterion = make_loss(kind, reduction=reduction, weight=weight)
        loss = criterion(logits.requires_grad_(), target)
        (loss * torch.linspace(1, 2, loss.numel()).view(loss.shape)).sum().backward()
        found.append((loss.detach(), logits.grad, criterion.positive, criterion.negative))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert "_SigmoidTermsBackward" in str(loss_graph(make_loss(EQLv2Loss)))
    assert "_SigmoidTermsBackward" not in str(loss_graph(make_loss(PlainEQLv2)))


@pytest.mark.parametrize("value", [-math.inf, math.inf, math.nan])
@pytest.mark.parametrize("places", [(), ((1, 3),), ((1, 1),), ((7, 2),)])  # another class, its own, an ignored sample
@pytest.mark.slow
def test_a_graph_computes_and_learns_the_same(value, places):
    found = []
    torch._dynamo.reset()
    for compiling in (True, False):
        logits, target = make(*places, value=value)
        criterion = make_loss(EQLv2Loss, reduction="none")
        step = torch.compile(criterion, fullgraph=True) if compiling else criterion
        loss = step(logits.requires_grad_(), target)
        (loss * torch.linspace(1, 2, loss.numel())).sum().backward()
        found.append((loss.detach(), logits.grad, criterion.positive, criterion.negative))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


def loss_graph(criterion):
    logits, target = make()
    loss = criterion(logits.requires_grad_(), target)  # kept, or its graph would be freed
    names, nodes = [], [loss.grad_fn]
    while nodes:
        node = nodes.pop()
        names.append(node.name())
        nodes += [each for each, _ in node.next_functions if each is not None]
    return names


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("place", [(1, 3), (1, 1)])
def test_a_sample_that_is_not_finite_teaches_nothing(value, place):
    found = []
    for kind in (EQLv2Loss, PlainEQLv2):
        logits, target = make(place, value=value)
        criterion = make_loss(kind)
        loss = criterion(logits.requires_grad_(), target)
        found.append((criterion.positive, criterion.negative, loss.isfinite()))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_second_derivative_is_that_of_the_pure_function():
    logits, target = make()
    logits.requires_grad_()
    losses = [
        make_loss(EQLv2Loss, reduction="sum")(logits, target),
        eql_v2_loss(logits, target, POSITIVE, NEGATIVE).sum(),
    ]
    found = []
    for loss in losses:
        (gradient,) = torch.autograd.grad(loss, logits, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), logits)[0])
    torch.testing.assert_close(*found)


def test_a_graph_may_be_walked_again():
    logits, target = make()
    loss = make_loss(EQLv2Loss)(logits.requires_grad_(), target)
    loss.backward(retain_graph=True)
    first = logits.grad.clone()
    (2 * loss).backward()
    torch.testing.assert_close(logits.grad, 3 * first)
