"""Sums over nothing, infinite logits and refusals: every loss does what `F.cross_entropy` does."""

import copy
import itertools

import pytest
import torch
from torch.nn import functional as F

from longtail import losses as lt
from losses.cases import COUNTS, DEVICE, NUM_CLASSES, every_loss

SAMPLES = 6
TARGET = torch.tensor([0, 1, 2, 3, 4, 0], device=DEVICE)
WEIGHT = torch.tensor([0.2, 1.0, 1.5, 3.0, 0.7], device=DEVICE)
ZEROS = torch.zeros(NUM_CLASSES, device=DEVICE)
EVERY_REDUCTION = [
    {"reduction": reduction, "label_smoothing": smoothing, "weight": weight}
    for reduction, smoothing, weight in itertools.product(["mean", "sum", "none"], [0.0, 0.1], [None, WEIGHT])
]


def make_logits(*spatial):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(SAMPLES, NUM_CLASSES, *spatial, generator=generator) * 2).to(DEVICE)


def with_gradient(criterion, logits, target):
    logits = logits.clone().requires_grad_()
    loss = criterion(logits, target)
    loss.sum().backward()
    return loss.detach(), logits.grad


@every_loss
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spatial", [(), (3,)])
def test_all_targets_ignored(case, training, spatial):
    logits, target = make_logits(*spatial), torch.full((SAMPLES, *spatial), -100, device=DEVICE)
    for arguments in [*EVERY_REDUCTION, {"weight": ZEROS}]:
        criterion = case.module(**arguments).train(training)
        before = copy.deepcopy(criterion.state_dict())
        loss, gradient = with_gradient(criterion, logits, target)
        want = F.cross_entropy(logits, target, **arguments)
        torch.testing.assert_close(loss, want, equal_nan=True)
        assert torch.equal(gradient, torch.zeros_like(logits))
        assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@every_loss
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_ignored_sample_counts_for_nothing_whatever_its_logits_are(case, value):
    logits, target = make_logits(), TARGET.clone()
    logits[-1], target[-1] = value, -100
    for arguments in EVERY_REDUCTION:
        broken, without = case.module(**arguments), case.module(**arguments)
        loss, gradient = with_gradient(broken, logits, target)
        want, want_gradient = with_gradient(without, logits[:-1], target[:-1])
        if arguments["reduction"] == "none":
            assert loss[-1] == 0
            loss = loss[:-1]
        torch.testing.assert_close(loss, want)
        torch.testing.assert_close(gradient[:-1], want_gradient)
        for got, wanted in zip(broken.buffers(), without.buffers(), strict=True):
            torch.testing.assert_close(got, wanted)


@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_that_are_all_zero(case, reduction):
    logits, soft = make_logits(), make_logits().flip(0).softmax(1)
    for training in (True, False):
        criterion = case.module(weight=ZEROS, reduction=reduction).train(training)
        loss, gradient = with_gradient(criterion, logits, soft)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()
        if case.name.removesuffix("-fused") != "lade" or not training:  # LADE's regulariser is not weighted
            assert not loss.any()
            assert not gradient.any()
        loss, gradient = with_gradient(criterion, logits, TARGET)
        want = F.cross_entropy(logits, TARGET, ZEROS, reduction=reduction)
        assert torch.equal(loss.isnan(), want.isnan())
        assert gradient.isfinite().all() == (reduction != "mean")


@every_loss
@pytest.mark.parametrize("everywhere", [True, False])
def test_a_masked_class_gives_a_finite_loss_and_gets_no_gradient(case, everywhere):
    logits, target = make_logits(), torch.tensor([0, 1, 2, 4, 4, 0], device=DEVICE)
    masked = slice(None) if everywhere else slice(0, 4, 2)
    logits[masked, 3] = -torch.inf
    if case.name == "label-aware-smoothing":  # smoothing gives the masked class a share, unless there is none
        loss, gradient = with_gradient(case.module(), logits, target)
        assert loss == F.cross_entropy(logits, target, label_smoothing=0.1) == torch.inf
        criterion = lt.LabelAwareSmoothingLoss(COUNTS, tail=0.0).to(DEVICE)
        logits, target = logits[3:], torch.full((3,), 4, device=DEVICE)
        masked = slice(None) if everywhere else slice(0, 0)
    else:
        criterion = case.module()
    for _ in range(2):
        loss, gradient = with_gradient(criterion, logits, target)
        assert loss.isfinite()
        assert gradient.isfinite().all()
        assert not gradient[masked, 3].any()
        assert all(buffer.isfinite().all() for buffer in criterion.buffers())


@pytest.mark.parametrize("make", [lt.GALALoss, lt.SeesawLoss, lt.EQLv2Loss])
def test_samples_with_a_masked_class_enter_the_statistics(make):
    logits, target = make_logits(), torch.tensor([0, 1, 2, 4, 4, 0], device=DEVICE)
    masked, tiny = make(NUM_CLASSES).to(DEVICE), make(NUM_CLASSES).to(DEVICE)
    for criterion, value in ((masked, -torch.inf), (tiny, -1e4)):
        logits[:, 3] = value
        criterion(logits.clone().requires_grad_(), target)
    for got, want in zip(masked.buffers(), tiny.buffers(), strict=True):
        assert got.any()
        torch.testing.assert_close(got, want)


@every_loss
def test_a_masked_target_gives_an_infinite_loss_without_nan(case):
    logits = make_logits()
    logits[:, 3] = -torch.inf
    for reduction, smoothing in itertools.product(["mean", "sum", "none"], [0.0, 0.1]):
        criterion = case.module(reduction=reduction, label_smoothing=smoothing)
        for _ in range(2):
            loss, gradient = with_gradient(criterion, logits, TARGET)
            assert not loss.isnan().any()
            assert (loss[TARGET == 3] if reduction == "none" else loss).isposinf().all()
            assert not gradient.isnan().any()
            assert all(buffer.isfinite().all() for buffer in criterion.buffers())


def refusal(criterion, logits, target):
    with pytest.raises((ValueError, TypeError, IndexError)) as caught:
        criterion(logits, target)
    return type(caught.value), str(caught.value)


@every_loss
@pytest.mark.skipif(DEVICE.type != "cpu", reason="labels out of range are found on the CPU alone")
def test_training_and_evaluation_refuse_the_same_in_the_same_words(case):
    logits, dense = make_logits(), make_logits(3)
    soft = logits.softmax(1)
    labels = TARGET[:, None].expand(-1, 3).clone()
    outside = TARGET.clone()
    outside[2] = NUM_CLASSES
    negative = labels.clone()
    negative[1, 2] = -1
    refused = [
        (logits, outside, {}, "Got 5 at index 2"),
        (logits, outside, {"weight": WEIGHT, "label_smoothing": 0.1}, "Got 5 at index 2"),
        (dense, negative, {}, r"Got -1 at index \[1, 2\]"),
        (dense, negative, {"reduction": "none", "label_smoothing": 0.1}, r"Got -1 at index \[1, 2\]"),
        (logits[0], outside[2], {}, "Got 5"),
        (logits, soft, {"ignore_index": 2}, "`ignore_index` must be left out with probabilities as target. Got 2"),
        (logits, F.one_hot(TARGET, NUM_CLASSES), {}, "Is it one-hot"),
        (logits, TARGET[:, None], {}, "Pass `target"),
        (logits, TARGET.bool(), {}, "Got torch.bool"),
        (logits, TARGET.float(), {}, "shape of the logits"),
        (logits[:, :4], TARGET, {}, "with C = 5"),
        (logits * torch.inf, TARGET, {"validate": True}, "must be finite"),
        (logits, soft * 2, {"validate": True}, "must sum to 1"),
    ]
    for values, target, arguments, message in refused:
        criterion = case.module(**arguments)
        trained = refusal(criterion, values, target)
        with torch.no_grad():
            without_gradients = refusal(criterion, values, target)
        assert trained == without_gradients == refusal(criterion.eval(), values, target)
        with pytest.raises(trained[0], match=message):
            criterion(values, target)
