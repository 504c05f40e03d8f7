"""The compiled kernel against float64, against the plain path, and where PyTorch asks for more than a gradient."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from longtail import losses as lt
from longtail.losses.fused.library import NoKernelError, library

pytestmark = pytest.mark.skipif(isinstance(library(), NoKernelError), reason="no C compiler")

SAMPLES, CLASSES = 19, 1237  # tiles of 512 and vectors of 16 leave a remainder
COUNTS = (5000 / torch.arange(1, CLASSES + 1)).clamp(min=2).long()
WEIGHT = torch.linspace(0.2, 2.0, CLASSES)
LOSSES = {
    "gala": lambda **arguments: with_statistics(lt.GALALoss(CLASSES, **arguments)),
    "gala-paper": lambda **arguments: with_statistics(lt.GALALoss(CLASSES, form="paper", **arguments)),
    "balanced-softmax": lambda **arguments: lt.BalancedSoftmaxLoss(COUNTS, **arguments),
    "logit-adjustment": lambda **arguments: lt.LogitAdjustmentLoss(COUNTS, tau=1.5, **arguments),
    "ldam": lambda **arguments: lt.LDAMLoss(COUNTS, **arguments),
    "vs": lambda **arguments: lt.VSLoss(COUNTS, **arguments),
    "class-balanced": lambda **arguments: lt.ClassBalancedLoss(COUNTS, **arguments),
    "lade": lambda **arguments: lt.LADELoss(COUNTS, **arguments),
    "gcl": lambda **arguments: FixedGCL(COUNTS, margin=0.1, **arguments),
    "eql": lambda **arguments: FixedEQL(COUNTS, **arguments),
    "seesaw": lambda **arguments: having_seen(lt.SeesawLoss(CLASSES, **arguments)),
    "focal": lambda **arguments: lt.FocalLoss(CLASSES, gamma=1.5, **arguments),
}
NO_SMOOTHING = ("eql", "focal")  # with it, they have no fused path


def every_kind(*names):
    """Each of these losses with each kind of target that it takes the fused path with."""
    cases = itertools.product(names, ["index", "soft"])
    return pytest.mark.parametrize(("name", "kind"), [case for case in cases if case != ("focal", "soft")])


class FixedGCL(lt.GCLLoss):
    """Draws the same noise each time."""

    def draw(self, logits):
        return fixed_noise(logits)


class FixedEQL(lt.EQLLoss):
    """Draws the same classes each time."""

    def draw(self, logits):
        return fixed_noise(logits) < 0.6


def fixed_noise(logits):
    return torch.rand(logits.shape, generator=torch.Generator().manual_seed(2))


def with_statistics(criterion):
    criterion.theta.copy_(COUNTS)
    criterion.phi.copy_(COUNTS.flip(0).float().sqrt())
    return criterion


def having_seen(criterion):
    criterion.seen.copy_(COUNTS)
    return criterion


def make_logits(*shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(shape or (SAMPLES, CLASSES), generator=generator) * 4).to(dtype)


def make_target(kind):
    generator = torch.Generator().manual_seed(1)
    if kind == "soft":
        return (torch.randn(SAMPLES, CLASSES, generator=generator) * 3).softmax(1)
    target = torch.randint(0, CLASSES, (SAMPLES,), generator=generator)
    target[3] = -100
    return target


def value_and_gradient(criterion, logits, target):
    logits = logits.detach().clone().requires_grad_()
    loss = criterion(logits, target)
    upstream = torch.linspace(1.0, 2.0, loss.numel(), dtype=loss.dtype).view(loss.shape)
    (loss * upstream).sum().backward()
    return loss.detach(), logits.grad


def is_fused(loss):
    """Whether the kernel has a part in the graph of a loss."""
    open_nodes, names = [loss.grad_fn], set()
    while open_nodes:
        node = open_nodes.pop()
        names.add(node.name())
        open_nodes += [each for each, _ in node.next_functions if each is not None]
    return "_FusedCrossEntropyBackward" in names


@every_kind(*LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_is_as_exact_as_float32_allows(name, kind, reduction):
    logits, target = make_logits(), make_target(kind)
    smoothings = [0.0] if name in NO_SMOOTHING else [0.0, 0.1]
    for weight, smoothing in itertools.product([None, WEIGHT], smoothings):
        arguments = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
        fused, exact = LOSSES[name](fused=True, **arguments), LOSSES[name](fused=False, **arguments)
        loss, gradient = value_and_gradient(fused, logits, target)
        want = value_and_gradient(exact, logits.double(), target.double() if kind == "soft" else target)
        # Sums of 1,237 exponentials in float32, of which each is right to 2e-7: 2e-6 leaves a factor of 10.
        torch.testing.assert_close(loss.double(), want[0], rtol=2e-6, atol=2e-6)
        torch.testing.assert_close(gradient.double(), want[1], rtol=1e-5, atol=1e-7)
        for (_, got), wanted in zip(fused.named_buffers(), exact.buffers(), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


@every_kind(*(name for name in LOSSES if name != "lade"))  # whose gradient has two rounded parts
def test_bfloat16_logits_are_computed_in_float32(name, kind):
    logits, target = make_logits(dtype=torch.bfloat16), make_target(kind)
    loss, gradient = value_and_gradient(LOSSES[name](fused=True), logits, target)
    want, want_gradient = value_and_gradient(LOSSES[name](fused=False), logits.float(), target)
    torch.testing.assert_close(loss, want, rtol=2e-6, atol=2e-6)
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(gradient, want_gradient.bfloat16(), rtol=1e-2, atol=1e-8)


@every_kind("gala", "gcl", "eql", "seesaw", "focal")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 1e30])
def test_what_is_not_finite_spreads_as_in_the_plain_path(name, kind, value):
    for place in ((2, 700), (2, 0), (slice(1, 3), slice(None))):
        logits, target = make_logits(), make_target(kind)
        logits[place] = value
        got = value_and_gradient(LOSSES[name](fused=True, reduction="none"), logits, target)
        want = value_and_gradient(LOSSES[name](fused=False, reduction="none"), logits, target)
        for ours, theirs in zip(got, want, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True)


@every_kind("gala", "vs", "ldam", "gcl")
def test_the_number_of_threads_changes_no_bit(name, kind):
    logits, target, threads = make_logits().repeat(8, 1), make_target(kind), torch.get_num_threads()
    target = target.repeat(8, *[1] * (target.dim() - 1))
    found = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            criterion = LOSSES[name](fused=True)
            found.append((*value_and_gradient(criterion, logits, target), *criterion.buffers()))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@every_kind("gala", "vs", "ldam", "class-balanced", "gcl", "eql", "seesaw", "focal")
def test_a_second_derivative_is_that_of_the_plain_path(name, kind):
    target, found = make_target(kind), []
    for fused in (True, False):
        logits = make_logits().requires_grad_()
        loss = LOSSES[name](fused=fused, weight=WEIGHT)(logits, target)
        assert is_fused(loss) == fused
        (gradient,) = torch.autograd.grad(loss, logits, create_graph=True)
        found.append((gradient.detach(), torch.autograd.grad(gradient.square().sum(), logits)[0]))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-8)


def test_a_graph_may_be_kept_and_walked_again():
    logits = make_logits().requires_grad_()
    loss = LOSSES["gala"](fused=True)(logits, make_target("index"))
    loss.backward(retain_graph=True)
    first = logits.grad.clone()
    (2 * loss).backward()
    torch.testing.assert_close(logits.grad, 3 * first, rtol=2e-6, atol=0)


def test_an_upstream_gradient_multiplies():
    found = []
    for factor in (1, 64):
        logits = make_logits().requires_grad_()
        (factor * LOSSES["gala"](fused=True)(logits, make_target("index"))).backward()
        found.append(logits.grad)
    assert torch.equal(found[1], 64 * found[0])


def test_transforms_of_functions_take_the_plain_path():
    logits, target = make_logits(), make_target("index")
    criterion = LOSSES["balanced-softmax"](fused=True)
    want = value_and_gradient(criterion, logits, target)[1]
    torch.testing.assert_close(torch.func.grad(criterion)(logits, target), want, rtol=1e-5, atol=1e-8)
    per_sample = torch.func.vmap(torch.func.grad(criterion))(logits[:2], target[:2])
    torch.testing.assert_close(per_sample[0], value_and_gradient(criterion, logits[:1], target[:1])[1][0])


def test_a_target_with_a_gradient_gets_it():
    target = make_target("soft").requires_grad_()
    LOSSES["balanced-softmax"](fused=True)(make_logits(), target).backward()
    assert target.grad.any()


@pytest.mark.parametrize("kind", ["index", "soft"])
def test_strided_and_dense_logits_equal_the_plain_path(kind):
    flat, target = make_logits(), make_target(kind)
    views = [flat.T.contiguous().T, torch.cat([flat, flat], 1)[:, :CLASSES], flat.repeat_interleave(2, 0)[::2]]
    for view in views:
        got = value_and_gradient(LOSSES["gala"](fused=True), view, target)
        want = value_and_gradient(LOSSES["gala"](fused=True), flat, target)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(got, want, strict=True))
    dense, spatial = torch.stack([flat, flat + 1, -flat], 2), torch.stack([target] * 3, target.dim())
    for name, reduction in itertools.product(("gala", "gcl", *["focal"] * (kind == "index")), ("mean", "none")):
        got = value_and_gradient(LOSSES[name](fused=True, reduction=reduction), dense, spatial)
        want = value_and_gradient(LOSSES[name](fused=False, reduction=reduction), dense, spatial)
        for ours, theirs in zip(got, want, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_sample_without_a_gradient_upstream_gets_none():
    logits = make_logits().requires_grad_()
    losses = LOSSES["gala"](fused=True, reduction="none")(logits, make_target("index"))
    losses[5:7].sum().backward()
    assert logits.grad[5:7].abs().sum(1).all()
    assert not logits.grad[7:].any()
    assert not logits.grad[:5].any()


@pytest.mark.parametrize("label", [CLASSES, -1, 2**40])
def test_an_index_out_of_range_is_named_and_nothing_is_learnt(label):
    criterion, target = LOSSES["gala"](fused=True), make_target("index")
    target[4] = label
    before = copy.deepcopy(criterion.state_dict())
    with pytest.raises(IndexError, match=rf"Got {label} at index 4"):
        criterion(make_logits().requires_grad_(), target)
    assert all(torch.equal(before[key], value) for key, value in criterion.state_dict().items())


def test_logits_changed_before_the_backward_pass_are_noticed():
    logits = make_logits().requires_grad_()
    hidden = logits * 1
    loss = LOSSES["gala"](fused=True, reduction="none")(hidden, make_target("index"))
    with torch.no_grad():
        hidden.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.sum().backward()


def test_a_reduced_loss_has_its_gradient_from_the_logits_that_it_saw():
    found = []
    for fused in (True, False):
        logits = make_logits().requires_grad_()
        hidden = logits * 1
        loss = LOSSES["gala"](fused=fused)(hidden, make_target("index"))
        with torch.no_grad():
            hidden.add_(torch.linspace(0, 1, CLASSES))
        loss.backward()
        found.append(logits.grad)
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_many_samples_lose_no_gradient():
    criterion = lt.GALALoss(2, fused=True)
    target = torch.zeros(20_000_000, dtype=torch.int64)
    criterion(torch.zeros(1, 2, requires_grad=True).expand(20_000_000, 2), target)
    assert criterion.theta.tolist() == [10_000_000.0, 0.0]


def test_statistics_of_a_training_run_are_those_of_the_plain_path():
    torch.manual_seed(0)
    models = [nn.Linear(8, CLASSES)]
    models.append(copy.deepcopy(models[0]))
    criteria = [lt.GALALoss(CLASSES, fused=True), lt.GALALoss(CLASSES, fused=False)]
    for _ in range(5):
        inputs, target = torch.randn(64, 8), torch.randint(0, CLASSES, (64,)) // torch.randint(1, 9, (64,))
        for model, criterion in zip(models, criteria, strict=True):
            model.zero_grad()
            criterion(model(inputs), target).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(parameter.grad)
    torch.testing.assert_close(criteria[0].theta, criteria[1].theta)
    torch.testing.assert_close(models[0].weight, models[1].weight)


@pytest.mark.parametrize(
    ("criterion", "target"),
    [
        (lt.LogitAdjustmentLoss(torch.arange(2, 12), fused=True).to("meta"), torch.zeros(4, dtype=torch.int64)),
        (lt.ClassBalancedLoss(torch.arange(2, 12), fused=True).to("meta"), torch.zeros(4, dtype=torch.int64)),
        (lt.GALALoss(10, fused=True), torch.zeros(4, dtype=torch.int64, device="meta")),
    ],
)
def test_another_device_than_that_of_the_logits_is_refused(criterion, target):
    with pytest.raises(ValueError, match=r"must be on the device of the logits, cpu\. Got meta\. Move them"):
        criterion(torch.zeros(4, 10), target)


def test_weights_of_fewer_classes_than_the_logits_have_are_refused():
    criterion = lt.GALALoss(10, fused=True)
    criterion.weight = torch.ones(9)
    with pytest.raises(ValueError, match=r"must hold 10 classes, as the logits do\. Got the shape \(9,\)"):
        criterion(torch.zeros(4, 10, requires_grad=True), torch.zeros(4, dtype=torch.int64))


def test_autocast_changes_nothing():
    logits, target = make_logits(), make_target("index")
    with torch.autocast("cpu", torch.bfloat16):
        inside = LOSSES["gala"](fused=True)(logits.requires_grad_(), target)
    assert torch.equal(inside, LOSSES["gala"](fused=True)(logits, target))
    assert inside.dtype == torch.float32


def test_no_array_of_the_size_of_the_logits_is_held_but_their_gradient():
    logits, target = torch.randn(64, 20_000, requires_grad=True), torch.randint(0, 20_000, (64,))
    criterion = lt.GALALoss(20_000, fused=True)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profiler:
        criterion(logits, target).backward()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert peak <= 1.1 * logits.nbytes


def test_gives_the_loss_of_cross_entropy_where_all_classes_are_as_frequent():
    logits, target = make_logits(), make_target("index")
    got = lt.BalancedSoftmaxLoss([7] * CLASSES, fused=True)(logits.requires_grad_(), target)
    assert is_fused(got)
    torch.testing.assert_close(got, F.cross_entropy(logits, target))
