"""The kernel in graphs of `torch.compile`: when they call it, and that it computes what the eager call does."""

import subprocess
import sys

import pytest
import torch

from longtail import losses as lt
from longtail.losses.fused import compiled, draws
from longtail.losses.fused.library import NoKernelError, library

pytestmark = pytest.mark.skipif(isinstance(library(), NoKernelError), reason="no C compiler")

CLASSES = 37
COUNTS = torch.arange(CLASSES, 0, -1)
MAKE = {
    "gala": lambda **settings: lt.GALALoss(CLASSES, **settings),
    "gala-ema": lambda **settings: lt.GALALoss(CLASSES, accumulate="ema", **settings),
    "seesaw": lambda **settings: lt.SeesawLoss(CLASSES, **settings),
    "vs": lambda **settings: lt.VSLoss(COUNTS, **settings),
    "class-balanced": lambda **settings: lt.ClassBalancedLoss(COUNTS, **settings),
}


def batch(kind="index", samples=9, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(samples, CLASSES, generator=generator) * 3).to(dtype)
    if kind == "soft":
        return logits, torch.randn(samples, CLASSES, generator=generator).softmax(1)
    target = torch.randint(0, CLASSES, (samples,), generator=generator)
    target[2] = -100
    return logits, target


def with_graphs(function):
    """The compiled function, and a list of the operators that its graphs call, which grows as they are traced."""
    called: list[str] = []

    def backend(module, _):
        called.extend(str(node.target) for node in module.graph.nodes)
        return module

    torch._dynamo.reset()
    return torch.compile(function, backend=backend, fullgraph=True), called


def graphs_of(function, *arguments):
    """The result, and the operators that the graphs call."""
    step, called = with_graphs(function)
    return step(*arguments), called


def calls_kernel(called):
    return any("longtail.fused_cross_entropy" in name for name in called)


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, torch.float32) for name in MAKE), ("gala", torch.bfloat16), ("vs", torch.bfloat16)]
)
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.slow
def test_a_compiled_step_is_the_eager_step(name, kind, dtype):
    for reduction, smoothing in (("mean", 0.0), ("sum", 0.0), ("none", 0.1)):
        found = []
        for compiling in (True, False):
            criterion = MAKE[name](fused=True, reduction=reduction, label_smoothing=smoothing)
            step, called = with_graphs(criterion) if compiling else (criterion, [])
            for seed in range(2):  # the second step uses what the first has learnt
                logits, target = batch(kind, dtype=dtype)
                logits = (logits + seed).requires_grad_()
                loss = step(logits, target)
                assert calls_kernel(called) == compiling
                (loss * torch.linspace(1, 2, loss.numel()).view(loss.shape)).sum().backward()
            found.append((loss.detach(), logits.grad, *criterion.buffers()))
        for got, want in zip(*found, strict=True):
            torch.testing.assert_close(got, want)


@pytest.mark.slow
def test_a_compiled_focal_loss_is_the_eager_one():
    (ours, target), theirs = batch(), batch()[0]
    got, called = graphs_of(lt.FocalLoss(CLASSES, gamma=2, fused=True), ours.requires_grad_(), target)
    assert calls_kernel(called)
    got.backward()
    want = lt.FocalLoss(CLASSES, gamma=2, fused=False)(theirs.requires_grad_(), target)
    want.backward()
    torch.testing.assert_close((got, ours.grad), (want, theirs.grad))


@pytest.mark.slow
def test_inductor_compiles_it():
    torch._dynamo.reset()
    criterion, eager = MAKE["gala"](fused=True), MAKE["gala"](fused=True)
    step = torch.compile(criterion, fullgraph=True)
    for samples in (9, 5, 7):  # from the second on with a dynamic number of samples
        ours, target = batch(samples=samples)
        theirs = ours.clone().requires_grad_()
        step(ours.requires_grad_(), target).backward()
        eager(theirs, target).backward()
        torch.testing.assert_close(ours.grad, theirs.grad)
        torch.testing.assert_close(criterion.theta, eager.theta)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # opcheck's own
@pytest.mark.slow
def test_it_is_a_good_operator():
    logits, target = batch()
    for graded in (True, False):
        arguments = (logits.requires_grad_(graded), target, None, torch.zeros(CLASSES), None, None, None, None)
        torch.library.opcheck(compiled._operator, (*arguments, -100, 0.1, "mean", True, graded))


def test_without_gradients_no_gradient_is_computed():
    logits, target = batch()
    criterion = MAKE["vs"](fused=True, margins_without_grad=True)
    got, called = graphs_of(criterion, logits, target)
    assert calls_kernel(called)
    torch.testing.assert_close(got, criterion(logits, target))


def test_auto_calls_it_for_many_logits_only():
    criterion = lt.BalancedSoftmaxLoss(range(1, 10_001))
    for samples, wanted in ((24, False), (25, True)):
        logits, target = torch.zeros(samples, 10_000, requires_grad=True), torch.zeros(samples, dtype=torch.int64)
        assert calls_kernel(graphs_of(criterion, logits, target)[1]) == wanted


@pytest.mark.parametrize("transform", [torch.func.grad, lambda loss: torch.func.vmap(torch.func.grad(loss))])
@pytest.mark.slow
def test_compiled_transforms_take_the_plain_path(transform):
    logits, target = batch()
    target = target.clamp_min(0)
    criterion = MAKE["vs"](fused=True, reduction="sum")
    got, called = graphs_of(transform(criterion), logits, target)
    assert not calls_kernel(called)
    torch.testing.assert_close(got, torch.func.grad(criterion)(logits, target))


@pytest.mark.parametrize("criterion", [MAKE["gala"](fused=True), lt.GCLLoss(COUNTS)])
def test_exported_programs_call_no_operators_of_ours(criterion):
    program = torch.export.export(criterion, batch())
    assert not any("longtail" in str(node.target) for node in program.graph.nodes)


@pytest.mark.slow
def test_importing_the_losses_does_not_import_the_compiler():
    code = "import sys, longtail.losses; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("fused", [True, "auto"])  # "auto" leaves so few logits to the plain path, but not their draws
@pytest.mark.parametrize("make", [lt.GCLLoss, lambda *args, **settings: lt.EQLLoss(*args, threshold=0.02, **settings)])
@pytest.mark.slow
def test_a_graph_draws_what_the_kernel_draws(make, fused):
    found = []
    for compiling in (True, False):
        torch.manual_seed(0)
        criterion = make(COUNTS, fused=fused if compiling else True)
        step = torch.compile(criterion, fullgraph=True) if compiling else criterion
        torch._dynamo.reset()
        for _ in range(2):  # one draw is not taken for the other
            logits, target = batch()
            loss = step(logits.requires_grad_(), target)
            loss.backward()
            found.append((loss.detach(), logits.grad))
    for got, want in zip(found[:2], found[2:], strict=True):
        torch.testing.assert_close(got, want)
    assert not torch.equal(found[0][0], found[1][0])


@pytest.mark.slow
def test_two_draws_of_a_graph_differ():
    first, second = (lt.GCLLoss(COUNTS, fused=True) for _ in range(2))

    def difference(logits):
        return (first.draw(logits) - second.draw(logits)).abs().max()

    torch._dynamo.reset()
    assert torch.compile(difference, fullgraph=True)(batch()[0]) > 0


@pytest.mark.parametrize("operator", [draws._mask_operator, draws._half_normals_operator])
@pytest.mark.slow
def test_draws_are_good_operators(operator):
    torch.library.opcheck(operator, (batch()[0], 0.5), test_utils=("test_schema", "test_faketensor"))
