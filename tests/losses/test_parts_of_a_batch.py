"""A batch in parts: the mean of its loss from the means of the parts, and statistics that see one step."""

from contextlib import suppress

import pytest
import torch

from longtail.losses import DeferredReweighting, GALALoss
from longtail.losses.parts import mean_divisor, one_step
from losses.cases import CASES, COUNTS, DEVICE, NUM_CLASSES

SIZES = (3, 1, 4)
NOT_SUMS = ("lade", "gcl", "eql")  # the last two draw by position
SUMS_OVER_SAMPLES = [case for case in CASES if case.name.removesuffix("-fused") not in NOT_SUMS]
WITH_MEMORY = [case for case in CASES if case.name in ("gala-released", "gala-paper", "seesaw", "eql-v2")]


def batch(*, soft=False):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(sum(SIZES), NUM_CLASSES, generator=generator)
    target = torch.tensor([0, 0, 3, 1, 4, 4, 2, 0])
    if soft:
        target = torch.rand(sum(SIZES), NUM_CLASSES, generator=generator).softmax(1)
    return logits.to(DEVICE).requires_grad_(), target.to(DEVICE)


def mean_of_parts(criterion, logits, target):
    """The mean over the batch from those of its parts, as training computes it."""
    parts = list(zip(logits.split(SIZES), target.split(SIZES), strict=True))
    divisors = [mean_divisor(criterion, labels) for _, labels in parts]
    with one_step(criterion):
        losses = [criterion(rows, labels) for rows, labels in parts]
    return sum(loss * divisor for loss, divisor in zip(losses, divisors, strict=True)) / sum(divisors)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("case", SUMS_OVER_SAMPLES, ids=lambda case: case.name)
def test_the_mean_and_the_statistics_of_a_batch_follow_from_its_parts(case, soft, weighted):
    arguments = {"weight": torch.tensor([0.2, 1.0, 2.0, 3.0, 5.0])} if weighted else {}
    whole, divided = case.module(**arguments), case.module(**arguments)
    results = []
    for criterion, mean in ((whole, lambda c, z, y: c(z, y)), (divided, mean_of_parts)):
        logits, target = batch(soft=soft)
        loss = mean(criterion, logits, target)
        loss.backward()
        results.append((loss, logits.grad))
    torch.testing.assert_close(results[1], results[0])
    torch.testing.assert_close(dict(divided.state_dict()), dict(whole.state_dict()))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("inner", ["cross-entropy", "focal", "ldam"])
def test_weights_of_deferred_reweighting_enter_the_mean_once_they_apply(inner, soft):
    case = {case.name: case for case in CASES}.get(inner)
    for epoch in (1, 2):
        results = []
        for mean in (lambda c, z, y: c(z, y), mean_of_parts):
            loss = torch.nn.CrossEntropyLoss() if case is None else case.module()
            criterion = DeferredReweighting(loss, COUNTS, start_epoch=2).to(DEVICE)
            criterion.set_epoch(epoch)
            results.append(mean(criterion, *batch(soft=soft)))
        torch.testing.assert_close(results[1], results[0])


@pytest.mark.parametrize("accumulate", ["released", "ema"])
def test_a_step_of_several_passes_counts_once(accumulate):
    whole, divided = (GALALoss(NUM_CLASSES, accumulate=accumulate, ema_decay=0.5).to(DEVICE) for _ in range(2))
    for _ in range(3):
        whole(*batch())
        mean_of_parts(divided, *batch())
    torch.testing.assert_close(dict(divided.state_dict()), dict(whole.state_dict()))


@pytest.mark.parametrize("case", WITH_MEMORY, ids=lambda case: case.name)
def test_a_step_that_fails_leaves_the_statistics_as_they_were(case):
    criterion = case.module()
    before = {name: value.clone() for name, value in criterion.state_dict().items()}
    with suppress(KeyError), one_step(criterion):
        criterion(*batch())
        raise KeyError
    torch.testing.assert_close(dict(criterion.state_dict()), before)
    criterion(*batch())
    assert any(not torch.equal(criterion.state_dict()[name], value) for name, value in before.items())


def test_a_step_within_a_step_is_part_of_it():
    """As where a training step has `one_step`, and a callback of the trainer begins another around it."""
    whole, nested = (GALALoss(NUM_CLASSES, accumulate="ema", ema_decay=0.5).to(DEVICE) for _ in range(2))
    logits, target = batch()
    whole(logits, target)
    half = len(target) // 2
    with nested.one_step():
        for part in (slice(0, half), slice(half, None)):
            with nested.one_step():
                nested(logits[part], target[part])
            assert not nested.theta.any()
        with suppress(KeyError), nested.one_step():
            nested(logits, target)
            raise KeyError
    torch.testing.assert_close(dict(nested.state_dict()), dict(whole.state_dict()))


@pytest.mark.slow
def test_a_compiled_loss_counts_a_step_of_any_number_of_passes():
    torch._dynamo.reset()
    logits, target = torch.randn(24, NUM_CLASSES, device=DEVICE), torch.arange(24, device=DEVICE) % NUM_CLASSES
    eager, criterion = GALALoss(NUM_CLASSES).to(DEVICE), GALALoss(NUM_CLASSES).to(DEVICE)
    compiled = torch.compile(criterion, backend="eager", fullgraph=True)
    for loss, call in ((eager, eager), (criterion, compiled)):
        with loss.one_step():
            for rows, labels in zip(logits.split(2), target.split(2), strict=True):
                call(rows.clone().requires_grad_(), labels)
    torch.testing.assert_close(criterion.theta, eager.theta)
