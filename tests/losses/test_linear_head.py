"""`criterion.linear` against the logits formed at once: values, gradients, statistics, and what it refuses."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from longtail import losses as lt
from longtail.losses import linear_head
from longtail.losses.catalogue import LOSSES, make_loss
from longtail.losses.contract import LongTailedLoss
from longtail.losses.margins import Margins
from longtail.models import CosineClassifier
from losses.cases import CASES, COUNTS, DEVICE, NUM_CLASSES, WITH_MARGINS_BY_CLASS

SAMPLES, WIDTH, ROWS_OF_A_CHUNK = 17, 6, 5
WEIGHT = torch.tensor([0.2, 1.0, 1.5, 3.0, 0.7], device=DEVICE)
WITH_LINEAR = (*WITH_MARGINS_BY_CLASS, "class-balanced")
every_loss = pytest.mark.parametrize(
    "case", [case for case in CASES if case.name.removesuffix("-fused") in WITH_LINEAR], ids=lambda case: case.name
)
every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(linear_head, "FEWEST_ROWS", 1)
    monkeypatch.setattr(linear_head, "LOGITS_OF_A_CHUNK", dict.fromkeys(("cpu", "cuda"), ROWS_OF_A_CHUNK * NUM_CLASSES))


def make_head(*leading, dtype=torch.float32, seed=0):
    """Features, weight and bias that ask for gradients."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((*(leading or (SAMPLES,)), WIDTH), (NUM_CLASSES, WIDTH), (NUM_CLASSES,))
    values = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return [value.to(DEVICE, dtype).requires_grad_() for value in values]


def make_target(*shape, ignore_index=None, seed=0):
    target = torch.randint(0, NUM_CLASSES, shape or (SAMPLES,), generator=torch.Generator().manual_seed(seed))
    if ignore_index is not None:
        target[::3] = ignore_index
    return target.to(DEVICE)


def with_gradients(loss, head):
    upstream = torch.linspace(0.5, 2.0, loss.numel(), dtype=loss.dtype, device=loss.device).view(loss.shape)
    return loss.detach(), torch.autograd.grad(loss, [each for each in head if each.requires_grad], upstream)


def linear_loss(criterion, head, target):
    features, weight, bias = head
    return criterion.linear(features, weight, bias, target)


def by_linear(criterion, head, target):
    return with_gradients(linear_loss(criterion, head, target), head)


def by_logits(criterion, head, target):
    return with_gradients(criterion(F.linear(*head), target), head)


def precision_of(case):
    return torch.float32 if case.fused else torch.float64


def assert_close(got, want, case):
    tolerance = {"rtol": 2e-5, "atol": 2e-5} if case.fused else {"rtol": 1e-6, "atol": 1e-6}  # statistics are float32
    torch.testing.assert_close(got, want, check_dtype=False, **tolerance)


@every_loss
@every_reduction
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_agrees_with_the_logits_formed_at_once(case, reduction, ignore_index):
    target = make_target(ignore_index=ignore_index)
    for weight, smoothing in itertools.product([None, WEIGHT], [0.0, 0.1]):
        arguments = {
            "reduction": reduction,
            "weight": weight,
            "label_smoothing": smoothing,
            "ignore_index": ignore_index,
        }
        loss, gradients = by_linear(case.module(**arguments), make_head(dtype=precision_of(case)), target)
        plain = case.module(**{**arguments, "fused": False})
        want, want_gradients = by_logits(plain, make_head(dtype=torch.float64), target)
        assert_close(loss, want, case)
        assert_close(gradients, want_gradients, case)


@every_loss
def test_agrees_with_the_reference(case):
    head, target = make_head(dtype=precision_of(case)), make_target()
    logits = F.linear(*make_head(dtype=torch.float64)).detach().cpu().numpy()
    for weight, smoothing in itertools.product([None, WEIGHT], [0.0, 0.1]):
        criterion = case.module(reduction="none", weight=weight, label_smoothing=smoothing)
        weights = None if weight is None else weight.cpu().numpy()
        want = case.reference(logits, target.tolist(), weight=weights, label_smoothing=smoothing)
        got = linear_loss(criterion, head, target).detach().cpu().numpy()
        np.testing.assert_allclose(got, want, rtol=1e-4 if case.fused else 1e-6, atol=1e-6)


@every_loss
@every_reduction
def test_is_plain_cross_entropy_in_eval_and_without_gradients(case, reduction):
    head, target = make_head(dtype=precision_of(case)), make_target(ignore_index=-100)
    arguments = {"weight": WEIGHT, "label_smoothing": 0.1, "reduction": reduction}
    weights = {**arguments, "weight": WEIGHT.to(precision_of(case))}
    want, want_gradients = with_gradients(F.cross_entropy(F.linear(*head), target, **weights), head)
    criterion = case.module(**arguments)
    before = {name: value.clone() for name, value in criterion.state_dict().items()}
    with torch.no_grad():
        assert_close(linear_loss(criterion, head, target), want, case)
    loss, gradients = by_linear(criterion.eval(), head, target)
    assert_close(loss, want, case)
    assert_close(gradients, want_gradients, case)
    assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@every_loss
def test_margins_without_gradients_where_they_are_wanted(case):
    head, target = make_head(dtype=precision_of(case)), make_target()
    criterion = case.module(margins_without_grad=True)
    before = {name: value.clone() for name, value in criterion.state_dict().items()}
    want = case.module()(F.linear(*head), target).detach()
    with torch.no_grad():
        assert_close(linear_loss(criterion, head, target), want, case)
    assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@pytest.mark.parametrize("form", ["released", "paper"])
@pytest.mark.parametrize("accumulate", ["sum", "released", "ema"])
@pytest.mark.parametrize("fused", [False, "auto"])
@every_reduction
def test_gala_learns_what_it_learns_from_the_logits(form, accumulate, fused, reduction):
    make = partial(
        lt.GALALoss, NUM_CLASSES, form=form, accumulate=accumulate, ema_decay=0.9, fused=fused, reduction=reduction
    )
    chunked, whole = make().to(DEVICE), make().to(DEVICE)
    for step in range(5):
        head, target = make_head(seed=step), make_target(seed=step, ignore_index=-100)
        head[0].data[1] = torch.inf if step == 2 else 1.0  # a sample without a finite loss does not count
        linear_loss(chunked, head, target)
        whole(F.linear(*head), target)
    assert chunked.theta.sum() > 1
    torch.testing.assert_close(chunked.state_dict(), whole.state_dict())


def test_parts_of_a_step_count_as_one_and_a_paused_loss_learns_nothing():
    head, target = make_head(), make_target()
    parts, whole = (lt.GALALoss(NUM_CLASSES, accumulate="ema").to(DEVICE) for _ in range(2))
    with parts.one_step():
        for part in (slice(0, 7), slice(7, None)):
            linear_loss(parts, [head[0][part], *head[1:]], target[part])
    linear_loss(whole, head, target)
    torch.testing.assert_close(parts.state_dict(), whole.state_dict())
    with parts.pause_statistics():
        linear_loss(parts, head, target)
    torch.testing.assert_close(parts.state_dict(), whole.state_dict())


@every_loss
@pytest.mark.parametrize("leading", [(3,), (2, 4), (0,)])
@every_reduction
def test_features_of_any_leading_shape(case, leading, reduction):
    head, target = make_head(*leading), make_target(*leading)
    loss, gradients = by_linear(case.module(reduction=reduction), head, target)
    flat = [head[0].detach().reshape(-1, WIDTH).requires_grad_(), *head[1:]]
    want, want_gradients = by_logits(case.module(reduction=reduction), flat, target.reshape(-1))
    assert loss.shape == (target.shape if reduction == "none" else ())
    torch.testing.assert_close(loss.reshape(want.shape), want, rtol=2e-5, atol=2e-5, equal_nan=True)
    gradients = (gradients[0].reshape(-1, WIDTH), *gradients[1:])
    torch.testing.assert_close(gradients, want_gradients, rtol=2e-5, atol=2e-5)


@every_loss
@every_reduction
def test_one_unbatched_sample(case, reduction):
    features, weight, bias = make_head()
    got = case.module(reduction=reduction).linear(features[0], weight, bias, torch.tensor(3, device=DEVICE))
    want = case.module(reduction=reduction)(F.linear(features[0], weight, bias), torch.tensor(3, device=DEVICE))
    torch.testing.assert_close(got, want, rtol=2e-5, atol=2e-5)


@every_loss
@pytest.mark.parametrize("wanted", [each for each in itertools.product([True, False], repeat=3) if any(each)])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradients_of_what_is_trained_alone(case, wanted, reduction):
    head = [each.detach().requires_grad_(wants) for each, wants in zip(make_head(), wanted, strict=True)]
    got = by_linear(case.module(reduction=reduction), head, make_target())
    want = by_logits(case.module(reduction=reduction), head, make_target())
    torch.testing.assert_close(got, want, rtol=2e-5, atol=2e-5)


@every_loss
def test_a_classifier_without_a_bias(case):
    head, target = [*make_head()[:2], None], make_target()
    loss = linear_loss(case.module(), head, target)
    want = case.module()(F.linear(*head[:2]), target)
    torch.testing.assert_close(with_gradients(loss, head[:2]), with_gradients(want, head[:2]), rtol=2e-5, atol=2e-5)


@every_loss
@every_reduction
def test_a_graph_may_be_walked_twice(case, reduction):
    head, target = make_head(), make_target(ignore_index=-100)
    loss = linear_loss(case.module(reduction=reduction), head, target).sum()
    first = torch.autograd.grad(loss, head, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(3 * loss, head), tuple(3 * each for each in first))


@every_loss
def test_second_derivatives_are_refused(case):
    head = make_head()
    with pytest.raises(
        RuntimeError, match=r"no second derivatives .*criterion\(F.linear\(features, weight, bias\), tar"
    ):
        torch.autograd.grad(linear_loss(case.module(), head, make_target()), head, create_graph=True)


@every_loss
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # PyTorch's own rules of forward mode call it
@pytest.mark.slow
def test_transforms_and_compiled_graphs_are_right(case):
    torch._dynamo.reset()
    head, target = [each.detach() for each in make_head()], make_target()
    criterion = case.module()

    def loss(weight):
        return case.module().linear(head[0], weight, head[2], target)

    weight = head[1].clone().requires_grad_()
    want = torch.autograd.grad(loss(weight), weight)[0]
    torch.testing.assert_close(torch.func.grad(loss)(head[1]), want, rtol=2e-5, atol=2e-5)
    tangent = torch.func.jvp(loss, (head[1],), (torch.ones_like(head[1]),))[1]
    torch.testing.assert_close(tangent, want.sum(), rtol=1e-4, atol=1e-4, check_dtype=False)
    compiled = torch.compile(criterion.linear, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(head[0], weight, head[2], target), loss(weight), rtol=2e-5, atol=2e-5)


@every_loss
@every_reduction
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.slow
def test_all_targets_ignored(case, reduction, training):
    head, target = make_head(), torch.full((SAMPLES,), -100, device=DEVICE)
    for smoothing, weight in itertools.product([0.0, 0.1], [None, WEIGHT]):
        criterion = case.module(reduction=reduction, label_smoothing=smoothing, weight=weight).train(training)
        loss, gradients = by_linear(criterion, head, target)
        torch.testing.assert_close(loss, F.cross_entropy(F.linear(*head), target, reduction=reduction), equal_nan=True)
        assert all(not gradient.any() for gradient in gradients)


@every_loss
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@every_reduction
def test_an_ignored_sample_counts_for_nothing_whatever_its_logits_are(case, value, reduction):
    features, weight, bias = make_head()
    with torch.no_grad():
        features[3, 0] = value
    logits = F.linear(features, weight, bias).detach()
    target = make_target()
    target[3] = -100
    gradient = torch.autograd.grad(case.module(reduction=reduction).linear(features, weight, bias, target).sum(), bias)
    logits[3] = 0
    want = case.module(reduction=reduction)(logits.requires_grad_(), target).sum()
    torch.testing.assert_close(gradient[0], torch.autograd.grad(want, logits)[0].sum(0), rtol=2e-5, atol=2e-5)


@every_loss
def test_a_class_with_a_logit_of_minus_infinity_gets_no_gradient(case):
    features, weight, bias = make_head()
    with torch.no_grad():
        bias[4] = -torch.inf
    target = make_target().clamp(max=3)
    loss, gradients = by_linear(case.module(), [features, weight, bias], target)
    assert loss.isfinite()
    assert not gradients[1][4].any()
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_loss
@pytest.mark.parametrize("autocast", [True, False])
@every_reduction
def test_bfloat16_is_as_close_as_with_logits_formed_at_once(case, autocast, reduction):
    dtype = torch.float32 if autocast else torch.bfloat16
    head, target = make_head(64, dtype=dtype), make_target(64)
    exact = [each.detach().double().requires_grad_() for each in head]
    want = by_logits(case.module(reduction=reduction, fused=False), exact, target)[1]
    with torch.autocast(DEVICE.type, torch.bfloat16, enabled=autocast):
        loss, got = by_linear(case.module(reduction=reduction), head, target)
        usual = by_logits(case.module(reduction=reduction), head, target)[1]
    assert loss.dtype == torch.float32
    assert [each.dtype for each in got] == [dtype] * 3
    for ours, theirs, exactly in zip(got, usual, want, strict=True):
        error, usual_error = ((each - exactly).norm() / exactly.norm() for each in (ours, theirs))
        assert error < max(2 * usual_error, 2**-8)  # chunks are rounded before they are added up


def test_a_weight_gradient_of_another_precision_is_added_block_by_block(monkeypatch):
    head, target = make_head(), make_target()
    with torch.autocast(DEVICE.type, torch.bfloat16):
        want = by_linear(lt.GALALoss(NUM_CLASSES).to(DEVICE), head, target)
        monkeypatch.setattr(linear_head, "CLASSES_AT_ONCE", 2)
        torch.testing.assert_close(by_linear(lt.GALALoss(NUM_CLASSES).to(DEVICE), head, target), want)


def test_half_precision_with_a_loss_scale_loses_no_small_gradient():
    features, weight, bias = (each.detach() * 3 for each in make_head(512))
    target, criterion = make_target(512), lt.GALALoss(NUM_CLASSES).to(DEVICE)
    head = [each.half().requires_grad_() for each in (features, weight, bias)]
    scaled = torch.autograd.grad(linear_loss(criterion, head, target) * 1024, head)
    exact = [each.detach().double().requires_grad_() for each in head]
    want = torch.autograd.grad(lt.GALALoss(NUM_CLASSES).to(DEVICE)(F.linear(*exact), target), exact)
    for got, exactly in zip(scaled, want, strict=True):
        assert (got.double() / 1024 - exactly).norm() < 5e-3 * exactly.norm()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_has_linear_or_says_which_do(name):
    head, target = make_head(), make_target()
    criterion = make_loss(name, COUNTS).to(DEVICE)
    if name in {"ce", "gala", "balanced-softmax", "logit-adjustment", "ldam", "vs", "class-balanced"}:
        torch.testing.assert_close(
            by_linear(criterion, head, target), by_logits(make_loss(name, COUNTS).to(DEVICE), head, target)
        )
        return
    for training in (True, False):
        with pytest.raises(ValueError, match=rf"GALALoss, .* gamma=0\. Got {type(criterion).__name__}\. Form the log"):
            linear_loss(criterion.train(training), head, target)


def test_a_subclass_that_computes_its_loss_otherwise_is_refused():
    class Doubled(lt.BalancedSoftmaxLoss):
        def forward(self, input, target):
            return 2 * super().forward(input, target)

    class Shifted(lt.BalancedSoftmaxLoss):
        def margins_for(self, logits, target):
            return Margins(each=logits.detach())

    refused: list[LongTailedLoss] = [Doubled(COUNTS), Shifted(COUNTS), lt.ClassBalancedLoss(COUNTS, gamma=1.0)]
    for criterion in refused:
        with pytest.raises(ValueError, match=rf"Got {type(criterion).__name__}"):
            linear_loss(criterion, make_head(), make_target())


def test_ldam_of_normalised_features_and_weights_is_that_of_a_cosine_classifier():
    features, target = make_head()[0], make_target()
    classifier = CosineClassifier(WIDTH, NUM_CLASSES, scale=20.0).to(DEVICE)
    criterion = lt.LDAMLoss(COUNTS, scale=20.0).to(DEVICE)
    head = [20.0 * F.normalize(features, dim=-1), F.normalize(classifier.weight, dim=-1), None]
    trained = [features, classifier.weight]
    got = with_gradients(linear_loss(criterion, head, target), trained)
    torch.testing.assert_close(got, with_gradients(criterion(classifier(features), target), trained))


@pytest.mark.parametrize("epoch", [1, 5])
@every_reduction
def test_deferred_reweighting(epoch, reduction):
    head, target = make_head(), make_target()
    wrapped = [
        lt.DeferredReweighting(lt.LDAMLoss(COUNTS, reduction=reduction), COUNTS, start_epoch=5).to(DEVICE)
        for _ in range(2)
    ]
    for criterion in wrapped:
        criterion.set_epoch(epoch)
    torch.testing.assert_close(by_linear(wrapped[0], head, target), by_logits(wrapped[1], head, target))
    with pytest.raises(TypeError, match=r"`criterion` must be a loss .* Got CrossEntropyLoss.*tau=0"):
        linear_loss(lt.DeferredReweighting(torch.nn.CrossEntropyLoss(), COUNTS), head, target)


GOOD = {
    "features": torch.zeros(4, WIDTH),
    "weight": torch.zeros(NUM_CLASSES, WIDTH),
    "bias": torch.zeros(NUM_CLASSES),
    "target": torch.tensor([0, 1, 2, 3]),
}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"features": [[0.0]]}, TypeError, "`features` must be a tensor. Got list"),
        ({"bias": 0.0}, TypeError, "`bias` must be a tensor. Got float"),
        ({"features": torch.zeros(4, WIDTH).long()}, TypeError, "`features` must be floating point. Got torch.int64"),
        ({"features": torch.tensor(0.0)}, ValueError, r"`features` must have the shape \(N, D\).*Got a scalar"),
        ({"weight": torch.zeros(WIDTH, NUM_CLASSES)}, ValueError, r"\(C, D\) = \(5, 6\).* Got \(6, 5\).*weight.t"),
        ({"weight": torch.zeros(7, WIDTH)}, ValueError, r"Got \(7, 6\)\. Is `num_classes` right"),
        ({"bias": torch.zeros(1)}, ValueError, r"`bias` must have the shape \(C,\) = \(5,\), or be None. Got \(1,\)"),
        ({"weight": GOOD["weight"].double()}, TypeError, "`weight` must have the dtype of the features, torch.float32"),
        ({"bias": GOOD["bias"].half()}, TypeError, "`bias` must have the dtype .* Got torch.float16.*autocast"),
        ({"target": torch.ones(4, NUM_CLASSES)}, TypeError, r"`target` of `linear` must be class indices.*F\.linear"),
        ({"target": GOOD["target"][:3]}, ValueError, r"`target` must have the shape .* \(4,\)\. Got \(3,\)"),
        ({"target": torch.tensor([0, 1, 5, 0])}, IndexError, r"in \[0, 5\).* Got 5 at index 2"),
        ({"target": torch.tensor([0, 1, 2, -1])}, IndexError, "Got -1 at index 3"),
        ({"target": torch.tensor([True] * 4)}, TypeError, "`target`"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_wrong_arguments_are_refused_before_anything_is_learnt(given, error, message, training):
    criterion = lt.GALALoss(NUM_CLASSES).train(training)
    with pytest.raises(error, match=message):
        criterion.linear(**{**GOOD, **given})
    assert not criterion.theta.any()


@every_loss
@pytest.mark.parametrize("training", [True, False])
def test_validate_names_the_logit_that_is_not_finite(case, training):
    features, weight, bias = make_head()
    with torch.no_grad():
        features[13] = torch.nan
    with pytest.raises(ValueError, match=r"`logits` must be finite. Got nan at \[13, 0\]"):
        case.module(validate=True).train(training).linear(features, weight, bias, make_target())


@pytest.mark.parametrize("fused", [False, "auto"])
def test_no_array_of_the_size_of_the_logits_is_held(monkeypatch, fused):
    samples, classes, width = 512, 4000, 8
    monkeypatch.setattr(linear_head, "LOGITS_OF_A_CHUNK", dict.fromkeys(("cpu", "cuda"), 40 * classes))
    criterion, target = lt.GALALoss(classes, fused=fused), torch.arange(samples)
    head = [torch.randn(shape).requires_grad_() for shape in ((samples, width), (classes, width), (classes,))]
    linear_loss(criterion, head, target).backward()
    for each in head:
        each.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        linear_loss(criterion, head, target).backward()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    beyond = peak - sum(each.nbytes for each in head)
    assert 0 < beyond < samples * classes * 4 / 8


def test_chunks_are_about_equal(monkeypatch):
    monkeypatch.setattr(linear_head, "FEWEST_ROWS", 32)
    monkeypatch.setattr(linear_head, "LOGITS_OF_A_CHUNK", {"cpu": 13_000_000, "cuda": 64_000_000})
    assert linear_head.rows_of_chunk(1024, 100_000, "cpu") == 128
    assert linear_head.rows_of_chunk(1000, 10_000_000, "cpu") == 32
    assert linear_head.rows_of_chunk(64, 10_000, "cpu") == 64
    assert linear_head.rows_of_chunk(1000, 10_000, "cpu") == 250
    assert linear_head.rows_of_chunk(0, 10_000, "cpu") == 1
    assert linear_head.rows_of_chunk(1024, 100_000, "cuda") == 512
