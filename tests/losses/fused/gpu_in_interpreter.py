"""The kernels for a GPU on tensors on the CPU, in Triton's interpreter; `test_gpu.py` runs these tests in a process.

The interpreter has to be chosen (TRITON_INTERPRET=1) before Triton is imported.
"""

import itertools

import pytest
import torch

from longtail import losses as lt
from longtail.losses import fused_loss
from longtail.losses.fused import Settings, gpu
from longtail.losses.fused.gpu import cross_entropy_on_gpu
from longtail.losses.margins import Margins
from longtail.losses.received_gradients import received_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:invalid value:RuntimeWarning",
    "ignore:divide by zero:RuntimeWarning",
    "ignore:Conversion of an array with ndim > 0:DeprecationWarning",  # by the interpreter of Triton 3.6
)

CLASSES, SAMPLES = 37, 5  # the interpreter takes a millisecond for a block of a row
COUNTS = torch.arange(CLASSES, 0, -1)
EVERYTHING = Margins(
    factor=torch.linspace(0.5, 1.5, CLASSES),
    shift=torch.linspace(-2, 2, CLASSES).sin(),
    own=torch.linspace(0, 3, CLASSES).cos(),
    each=torch.linspace(-1, 1, SAMPLES * CLASSES).view(SAMPLES, CLASSES),
)


@pytest.fixture(autouse=True)
def _blocks_of_16_classes(monkeypatch):
    monkeypatch.setattr(gpu, "LARGEST_BLOCK", 16)


def batch(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(SAMPLES, CLASSES, generator=generator) * 3).to(dtype)
    target = torch.randint(0, CLASSES, (SAMPLES,), generator=generator)
    target[2] = -100
    return logits, target


def plain(logits, target, margins, weight, settings):
    """The same by PyTorch's operations, in float64."""
    margins = Margins(**{name: None if own is None else own.double() for name, own in vars(margins).items()})
    return torch.nn.functional.cross_entropy(
        margins.applied(logits.double(), target),
        target,
        None if weight is None else weight.double(),
        reduction=settings.reduction,
        label_smoothing=settings.label_smoothing,
    )


@pytest.mark.parametrize(
    "margins", [Margins(), Margins(shift=EVERYTHING.shift), EVERYTHING], ids=["none", "shift", "all"]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_cross_entropy_on_adjusted_logits(margins, weighted):
    weight = torch.linspace(0, 2, CLASSES) if weighted else None
    for dtype, reduction, smoothing in itertools.product(
        (torch.float32, torch.bfloat16), ("mean", "sum", "none"), (0.0, 0.1)
    ):
        settings = Settings(label_smoothing=smoothing, reduction=reduction)
        logits, target = batch(dtype)
        ours, theirs = logits.requires_grad_(), logits.detach().clone().requires_grad_()
        loss, own_losses = cross_entropy_on_gpu(ours, target, margins, weight, settings)
        wanted = plain(theirs, target, margins, weight, settings)
        upstream = torch.linspace(1, 2, loss.numel()).view(loss.shape)
        (loss * upstream).sum().backward()
        (wanted * upstream).sum().backward()
        torch.testing.assert_close(loss, wanted.float())
        torch.testing.assert_close(ours.grad, theirs.grad)
        unweighted = plain(theirs, target, margins, None, Settings(reduction="none"))
        torch.testing.assert_close(own_losses, unweighted.detach().float())


def test_infinite_logits_keep_their_meaning():
    logits = torch.zeros(4, CLASSES)
    logits[0, 20], logits[1, 3], logits[2] = -torch.inf, torch.nan, -torch.inf
    target = torch.tensor([1, 1, 1, 1])
    theirs = logits.clone().requires_grad_()
    settings = Settings(reduction="none")
    loss, _ = cross_entropy_on_gpu(logits.requires_grad_(), target, Margins(), None, settings)
    wanted = plain(theirs, target, Margins(), None, settings)
    loss.sum().backward()
    wanted.sum().backward()
    torch.testing.assert_close(loss, wanted.float(), equal_nan=True)
    torch.testing.assert_close(logits.grad, theirs.grad, equal_nan=True)


def test_a_label_that_is_no_class_gives_nan_for_its_row_alone():
    logits, target = batch()
    target[0], target[1] = CLASSES, -1
    loss, _ = cross_entropy_on_gpu(logits.requires_grad_(), target, EVERYTHING, None, Settings(reduction="none"))
    loss.sum().backward()
    assert loss.isnan().tolist() == [True, True] + [False] * (SAMPLES - 2)
    assert logits.grad.isnan().all(1).tolist() == loss.isnan().tolist()


def test_a_label_that_is_no_class_gives_nan_with_weights_and_mean():
    logits, target = batch()
    target[0], target[1] = CLASSES, -1
    weight = torch.linspace(1, 2, CLASSES)
    loss, _ = cross_entropy_on_gpu(logits.requires_grad_(), target, EVERYTHING, weight, Settings())
    loss.backward()
    assert loss.isnan()
    assert logits.grad.isnan().all(1).tolist() == [True, True] + [False] * (SAMPLES - 2)


def test_rows_may_be_strided():
    logits, target = batch()
    wide = torch.cat([logits, logits], 1)[:, :CLASSES]
    assert not wide.is_contiguous()
    found = [cross_entropy_on_gpu(own, target, EVERYTHING, None, Settings())[0] for own in (wide, logits)]
    assert torch.equal(*found)


def test_second_derivatives_are_those_of_the_plain_path():
    logits, target = batch()
    found = []
    for function in (
        lambda own: cross_entropy_on_gpu(own, target, EVERYTHING, None, Settings())[0],
        lambda own: plain(own, target, EVERYTHING, None, Settings()),
    ):
        own = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(own), own, create_graph=True)
        found.append(torch.autograd.grad((gradient**2).sum(), own)[0])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    "make",
    [
        lambda **settings: lt.GALALoss(CLASSES, accumulate="ema", **settings),
        lambda **settings: lt.GALALoss(CLASSES, form="paper", **settings),
        lambda **settings: lt.SeesawLoss(CLASSES, **settings),
        lambda **settings: lt.VSLoss(COUNTS, **settings),
    ],
)
def test_losses_learn_from_it_what_they_learn_on_the_plain_path(make, monkeypatch):
    def as_on_a_gpu(logits, target, margins, weight, settings, *, learning):
        loss, own_losses = cross_entropy_on_gpu(logits, target, margins, weight, settings)
        return loss, received_of(own_losses, target, CLASSES, settings.ignore_index) if learning else None

    monkeypatch.setattr(fused_loss, "fused_cross_entropy", as_on_a_gpu)
    found = []
    for fused in (True, False):
        criterion, logits = make(fused=fused), None
        for _ in range(2):
            logits, target = batch()
            criterion(logits.requires_grad_(), target).backward()
        found.append((logits.grad, *criterion.buffers()))
    for got, want in zip(*found, strict=True):
        torch.testing.assert_close(got, want)
