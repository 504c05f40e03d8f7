"""Without gradients every loss is plain cross-entropy and its state rests; margins on request."""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from longtail import losses as lt
from longtail.losses import EQLv2Loss, GALALoss, SeesawLoss
from longtail.losses.catalogue import LOSSES
from losses.cases import COUNTS, DEVICE, NUM_CLASSES, every_loss

WEIGHT = torch.tensor([0.2, 1.0, 1.5, 3.0, 0.7], device=DEVICE)
TARGET = torch.tensor([0, 1, 2, 3, 4, 0], device=DEVICE)
LOGITS = (torch.randn(6, NUM_CLASSES, generator=torch.Generator().manual_seed(0)) * 2).to(DEVICE)
ARGUMENTS = {"weight": WEIGHT, "label_smoothing": 0.1}
with_memory = pytest.mark.parametrize("make", [GALALoss, SeesawLoss, EQLv2Loss])


@every_loss
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_is_cross_entropy_bit_for_bit_without_gradients(case, context, kind):
    target = TARGET if kind == "index" else (F.one_hot(TARGET) + F.one_hot(TARGET.flip(0))) / 2
    criterion = case.module(**ARGUMENTS)
    before = copy.deepcopy(criterion.state_dict())
    with context():
        loss = criterion(LOGITS, target)
    assert torch.equal(loss, F.cross_entropy(LOGITS, target, **ARGUMENTS))
    assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())
    assert not torch.allclose(loss, criterion(LOGITS, target).detach())  # the margins are back with the gradients


@pytest.mark.parametrize("name", LOSSES)
def test_draws_nothing_without_gradients(name):
    criterion = LOSSES[name].module(COUNTS if LOSSES[name].counts else NUM_CLASSES).to(DEVICE)
    before = torch.get_rng_state()
    with torch.no_grad():
        criterion(LOGITS, TARGET)
    assert torch.equal(torch.get_rng_state(), before)


@every_loss
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_margins_without_gradients_on_request(case, context):
    criterion = case.module(margins_without_grad=True, **ARGUMENTS)
    before = copy.deepcopy(criterion.state_dict())
    with context():
        without = criterion(LOGITS, TARGET)
    assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())
    assert torch.equal(without, case.module(**ARGUMENTS)(LOGITS, TARGET))
    with context():
        assert torch.equal(criterion.eval()(LOGITS, TARGET), F.cross_entropy(LOGITS, TARGET, **ARGUMENTS))


@every_loss
@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpoints_of_both_kinds(case, reentrant):
    plain = case.module()
    criterion = case.module(margins_without_grad=reentrant)
    contexts = getattr(criterion, "checkpoint_contexts", lambda: (nullcontext(), nullcontext()))
    arguments = {"use_reentrant": True} if reentrant else {"use_reentrant": False, "context_fn": contexts}
    for step in range(2):
        ours, theirs = ((LOGITS * (step + 1)).requires_grad_() for _ in range(2))
        loss, want = checkpoint(criterion, ours, TARGET, **arguments), plain(theirs, TARGET)
        assert torch.equal(loss, want)
        loss.backward()
        want.backward()
        assert torch.equal(ours.grad, theirs.grad)
        assert all(torch.equal(a, b) for a, b in zip(criterion.buffers(), plain.buffers(), strict=True))


@every_loss
def test_a_functional_gradient_is_that_of_autograd(case):
    logits = LOGITS.clone().requires_grad_()
    case.module()(logits, TARGET).backward()
    criterion = case.module()
    with torch.no_grad():  # gradients are on within torch.func.grad
        gradient = torch.func.grad(lambda z: criterion(z, TARGET))(LOGITS)
    torch.testing.assert_close(gradient, logits.grad)


@with_memory
def test_statistics_are_tensors_of_their_own_after_a_functional_gradient(make):
    criterion, plain = make(NUM_CLASSES).to(DEVICE), make(NUM_CLASSES).to(DEVICE)
    for _ in range(2):
        torch.func.grad(lambda z: criterion(z, TARGET))(LOGITS)
        plain(LOGITS.clone().requires_grad_(), TARGET)
    for got, want in zip(criterion.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(got, want)
    restored = copy.deepcopy(criterion)
    assert all(torch.equal(a, b) for a, b in zip(restored.buffers(), criterion.buffers(), strict=True))


@with_memory
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # PyTorch's own rules of forward mode call it
def test_a_forward_mode_derivative_learns_as_a_backward_one(make, soft):
    target = F.one_hot(TARGET, NUM_CLASSES).float() if soft else TARGET
    criteria = [make(NUM_CLASSES).to(DEVICE) for _ in range(3)]
    with forward_ad.dual_level():
        criteria[0](forward_ad.make_dual(LOGITS, torch.ones_like(LOGITS)), target)
    torch.func.hessian(lambda logits: criteria[1](logits, target))(LOGITS)
    criteria[2](LOGITS.clone().requires_grad_(), target)
    for criterion in criteria[:2]:
        torch.testing.assert_close(dict(copy.deepcopy(criterion).state_dict()), dict(criteria[2].state_dict()))


@with_memory
@pytest.mark.parametrize("soft", [False, True])
def test_per_sample_gradients_leave_the_statistics_to_a_pass_of_the_batch(make, soft):
    criterion = make(NUM_CLASSES).to(DEVICE)
    before = copy.deepcopy(criterion.state_dict())
    target = F.one_hot(TARGET, NUM_CLASSES).float() if soft else TARGET
    per_sample = torch.func.vmap(torch.func.grad(lambda row, label: criterion(row[None], label[None])))
    with pytest.raises(RuntimeError, match=r"within `torch\.func\.vmap`.*`criterion\.pause_statistics\(\)`"):
        per_sample(LOGITS, target)
    with criterion.pause_statistics():
        found = per_sample(LOGITS, target)
    assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())
    logits = LOGITS.clone().requires_grad_()
    criterion(logits, target).backward()
    torch.testing.assert_close(found / len(found), logits.grad)


@pytest.mark.slow
def test_a_compiled_loss_sees_whether_gradients_are_on():
    torch._dynamo.reset()
    eager, module = GALALoss(NUM_CLASSES).to(DEVICE), GALALoss(NUM_CLASSES).to(DEVICE)
    compiled = torch.compile(module, fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(
            compiled(LOGITS.clone().requires_grad_(), TARGET), eager(LOGITS.clone().requires_grad_(), TARGET)
        )
        theta = module.theta.clone()
        with torch.no_grad():
            torch.testing.assert_close(compiled(LOGITS, TARGET), F.cross_entropy(LOGITS, TARGET))
        assert torch.equal(module.theta, theta)


@pytest.mark.parametrize("inner", [torch.nn.CrossEntropyLoss(), lt.LDAMLoss(COUNTS)])
def test_deferred_weights_are_those_of_training(inner):
    criterion = lt.DeferredReweighting(inner, COUNTS, start_epoch=1).to(DEVICE)
    plain = F.cross_entropy(LOGITS, TARGET)
    with torch.no_grad():
        assert torch.equal(criterion(LOGITS, TARGET), plain)
    assert not torch.allclose(criterion(LOGITS, TARGET), plain)
    assert torch.equal(criterion.eval()(LOGITS, TARGET), plain)


def test_deferred_weights_stay_without_gradients_where_the_margins_do():
    criterion = lt.DeferredReweighting(lt.LDAMLoss(COUNTS, margins_without_grad=True), COUNTS, start_epoch=1)
    want = criterion(LOGITS.cpu(), TARGET.cpu())
    with torch.no_grad():
        assert torch.equal(criterion(LOGITS.cpu(), TARGET.cpu()), want)
