"""How the peer losses relate to each other, what they do at the edges that their formulas leave open, and keep."""

import copy
import math
import warnings
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from longtail import losses as lt
from longtail.losses.catalogue import LOSSES, make_loss, settable_arguments
from longtail.models import CosineClassifier
from losses.cases import COUNTS

LOGITS = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
TARGET = torch.arange(40) % 5
UNIFORM = torch.full((5,), 30)
CE = F.cross_entropy(LOGITS, TARGET, reduction="none")
EMPTY = torch.tensor([50, 20, 5, 1, 0])


def test_balanced_softmax_is_logit_adjustment_at_tau_1():
    a, b = lt.balanced_softmax_loss(LOGITS, TARGET, COUNTS), lt.logit_adjustment_loss(LOGITS, TARGET, COUNTS, tau=1)
    torch.testing.assert_close(a, b)


def test_vs_without_multiplicative_margins_is_logit_adjustment():
    a = lt.vs_loss(LOGITS, TARGET, COUNTS, gamma=0, tau=1.3)
    torch.testing.assert_close(a, lt.logit_adjustment_loss(LOGITS, TARGET, COUNTS, tau=1.3))


def test_vs_without_additive_margins_is_a_temperature_for_each_class():
    temperature = (COUNTS.max() / COUNTS).double() ** 0.3
    a = lt.vs_loss(LOGITS, TARGET, COUNTS, gamma=0.3, tau=0)
    torch.testing.assert_close(a, F.cross_entropy(LOGITS / temperature, TARGET, reduction="none"))


def test_lade_without_its_regulariser_is_balanced_softmax():
    a = lt.lade_loss(LOGITS, TARGET, COUNTS, alpha=0)
    torch.testing.assert_close(a, lt.balanced_softmax_loss(LOGITS, TARGET, COUNTS))


def test_class_balanced_weights_run_from_none_to_inverse_frequency():
    torch.testing.assert_close(lt.class_balanced_weights(COUNTS, beta=0), torch.ones(5, dtype=torch.float64))
    inverse = 1 / COUNTS.double()
    torch.testing.assert_close(lt.class_balanced_weights(COUNTS, beta=1), inverse / inverse.mean())
    almost = lt.class_balanced_weights(COUNTS, beta=1 - 1e-9)
    torch.testing.assert_close(almost, inverse / inverse.mean(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("power", [0.3, 1.2, 400.0])
def test_a_power_of_inverse_frequencies_is_the_generalised_reweighting(power):
    """Of DisAlign: w_j = (1 / π_j)^ρ / Σ_k (1 / π_k)^ρ, here times C."""
    counts = COUNTS.double().numpy()
    logarithms = -power * np.log(counts / counts.sum())
    expected = np.exp(logarithms - np.log(np.exp(logarithms - logarithms.max()).sum()) - logarithms.max())
    np.testing.assert_allclose(lt.class_balanced_weights(COUNTS, beta=1, power=power), 5 * expected, rtol=1e-10)


def test_a_power_of_0_weights_all_classes_alike():
    torch.testing.assert_close(lt.class_balanced_weights(COUNTS, power=0), torch.ones(5, dtype=torch.float64))
    assert torch.equal(lt.ClassBalancedLoss(COUNTS, power=0)(LOGITS, TARGET), F.cross_entropy(LOGITS, TARGET))


def test_class_balanced_cross_entropy_is_weighted_cross_entropy():
    weight = lt.class_balanced_weights(COUNTS, beta=0.99)
    a = lt.ClassBalancedLoss(COUNTS, beta=0.99)(LOGITS, TARGET)
    torch.testing.assert_close(a, F.cross_entropy(LOGITS, TARGET, weight))


@pytest.mark.parametrize("scale", [10.0, 30.0])
def test_cosine_losses_without_margins_are_scaled_cosine_cross_entropy(scale):
    head, features = CosineClassifier(8, 5, scale), torch.randn(40, 8)
    logits = head(features)
    cosines = F.cosine_similarity(features[:, None], head.weight[None], dim=2)
    want = F.cross_entropy(scale * cosines, TARGET)
    for criterion in (
        lt.LDAMLoss(COUNTS, max_margin=0, scale=scale),
        lt.GCLLoss(COUNTS, cloud=0, margin=0, scale=scale),
    ):
        torch.testing.assert_close(criterion(logits, TARGET), want, rtol=1e-5, atol=1e-5)
    marginal = lt.LDAMLoss(COUNTS, max_margin=0.5, scale=scale, reduction="none")(logits, TARGET)
    margins = 0.5 * (COUNTS / COUNTS.min()) ** -0.25
    assert margins.max() == 0.5
    want = F.cross_entropy(scale * (cosines - F.one_hot(TARGET) * margins), TARGET, reduction="none")
    torch.testing.assert_close(marginal, want, rtol=1e-4, atol=1e-4)


UNIFORM_IS_CROSS_ENTROPY = {
    "logit adjustment": lambda: lt.logit_adjustment_loss(LOGITS, TARGET, UNIFORM, tau=1.5),
    "vs": lambda: lt.vs_loss(LOGITS, TARGET, UNIFORM),
    "eql": lambda: lt.eql_loss(LOGITS, TARGET, UNIFORM, torch.ones_like(LOGITS, dtype=torch.bool)),
    "seesaw": lambda: lt.seesaw_loss(LOGITS, TARGET, UNIFORM.double(), q=0),
    "class-balanced": lambda: lt.class_balanced_loss(LOGITS, TARGET, UNIFORM),
    "gcl": lambda: lt.gcl_loss(LOGITS, TARGET, UNIFORM, torch.ones_like(LOGITS)),
    "gala": lambda: lt.gala_loss(LOGITS, TARGET, UNIFORM.double(), UNIFORM.double()),
    "gala paper": lambda: lt.gala_loss(LOGITS, TARGET, UNIFORM.double(), UNIFORM.double(), form="paper"),
}


@pytest.mark.parametrize("name", UNIFORM_IS_CROSS_ENTROPY)
def test_uniform_counts_are_cross_entropy(name):
    torch.testing.assert_close(UNIFORM_IS_CROSS_ENTROPY[name](), CE)


def test_uniform_counts_where_the_formula_divides_0_by_0():
    shift = 30 * 0.5 * F.one_hot(TARGET)
    want = F.cross_entropy(LOGITS - shift, TARGET, reduction="none")
    torch.testing.assert_close(lt.ldam_loss(LOGITS, TARGET, UNIFORM), want)
    for ramp, share in (("linear", 0.5), ("concave", math.sin(math.pi / 4)), ("convex", 1 - math.cos(math.pi / 4))):
        got = lt.label_aware_smoothing_loss(LOGITS, TARGET, UNIFORM, head=0.4, tail=0.1, ramp=ramp)
        want = F.cross_entropy(LOGITS, TARGET, reduction="none", label_smoothing=0.1 + 0.3 * share)
        torch.testing.assert_close(got, want)


def test_smoothing_rises_from_the_rarest_to_the_most_frequent_class():
    smoothing = lt.LabelAwareSmoothingLoss(COUNTS, head=0.4, tail=0.1).smoothing
    assert smoothing[0].item() == pytest.approx(0.4)
    assert smoothing[-1].item() == pytest.approx(0.1)
    assert (smoothing.diff() < 0).all()


@pytest.mark.parametrize(
    "make",
    [
        lt.BalancedSoftmaxLoss,
        lt.LogitAdjustmentLoss,
        lt.VSLoss,
        lt.LDAMLoss,
        lt.GCLLoss,
        lt.EQLLoss,
        lt.ClassBalancedLoss,
        lt.LADELoss,
    ],
)
def test_an_empty_class_counts_as_a_half_with_a_warning(make):
    with pytest.warns(UserWarning, match="Classes without a training sample are counted as ½: 4"):
        criterion = make(EMPTY, reduction="none")
    logits = LOGITS.clone().requires_grad_()
    losses = criterion(logits, TARGET)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert logits.grad.isfinite().all()


def test_an_empty_class_needs_no_half_where_nothing_is_divided_by_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lt.LabelAwareSmoothingLoss(EMPTY)(LOGITS, TARGET).isfinite()


def test_class_balanced_weights_average_1_over_the_classes_that_exist():
    with pytest.warns(UserWarning, match="½"):
        weights = lt.class_balanced_weights(EMPTY, beta=0.9)
    assert weights[:4].mean().item() == pytest.approx(1)
    assert weights.argmax() == 4


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_gradients_are_finite_where_a_class_is_certain(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    lt.FocalLoss(2, gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()


def test_clouds_are_clamped_gaussians_larger_for_rare_classes():
    torch.manual_seed(0)
    criterion = lt.GCLLoss(COUNTS, cloud=0.5, scale=30.0)
    zeros = torch.zeros(20000, 5)
    noise = criterion.draw(zeros)
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.mean().item() == pytest.approx(math.sqrt(2 / math.pi) / 3, rel=0.02)
    shifts = criterion.adjust(zeros, torch.zeros(20000, dtype=torch.int64)).mean(0)
    assert shifts[0] == 0
    assert (shifts.diff() < 0).all()
    log_counts = COUNTS.log()
    rarity = (log_counts.max() - log_counts) / (log_counts.max() - log_counts).max()
    torch.testing.assert_close(criterion.rarity.float(), rarity)


def test_rare_classes_are_left_out_as_often_as_asked():
    torch.manual_seed(0)
    criterion = lt.EQLLoss(COUNTS, threshold=0.1, probability=0.9)
    adjusted = criterion.adjust(torch.zeros(20000, 5), torch.zeros(20000, dtype=torch.int64))
    left_out = (adjusted < -1).double().mean(0)
    assert left_out[:2].tolist() == [0, 0]  # class 0 is the target, class 1 holds more than a tenth
    np.testing.assert_allclose(left_out[2:], 0.9, atol=0.01)
    own = criterion.adjust(torch.zeros(100, 5), torch.full((100,), 4))
    assert (own[:, 4] == 0).all()


def test_seesaw_s_gradient_holds_its_factors_constant():
    logits = LOGITS.clone().requires_grad_()
    criterion = lt.SeesawLoss(5, reduction="sum")
    criterion.seen.copy_(COUNTS)
    adjusted = criterion.adjust(LOGITS, TARGET)
    criterion(logits, TARGET).backward()
    torch.testing.assert_close(logits.grad, adjusted.softmax(1) - F.one_hot(TARGET))


def test_seesaw_counts_what_it_has_seen():
    criterion = lt.SeesawLoss(5, ignore_index=3)
    logits = LOGITS.clone()
    logits[0, 1] = math.nan  # a sample of class 0
    criterion(logits.requires_grad_(), TARGET)
    assert criterion.seen.tolist() == [7, 8, 8, 0, 8]
    soft = lt.SeesawLoss(5)
    soft(LOGITS.clone().requires_grad_(), torch.full_like(LOGITS, 0.2))
    torch.testing.assert_close(soft.seen, torch.full((5,), 8.0))
    with torch.no_grad():
        soft(LOGITS, TARGET)
    soft.eval()(LOGITS.clone().requires_grad_(), TARGET)
    torch.testing.assert_close(soft.seen, torch.full((5,), 8.0))


def eql_v2_gradients(steps, gamma=12.0, mu=0.8, alpha=4.0):
    """The buffers after some steps, from the paper, one sample and one class at a time."""
    positive, negative = np.zeros(5), np.zeros(5)
    for logits, target in steps:
        added = np.zeros((2, 5))
        for z, y in zip(logits.numpy(), target.tolist(), strict=True):
            for j in range(5):
                q = positive[j] / negative[j] if positive[j] or negative[j] else 100.0
                f = 1 / (1 + math.exp(-gamma * (q - mu)))
                error = abs(1 / (1 + math.exp(-z[j])) - (j == y))
                added[0 if j == y else 1, j] += error * (1 + alpha * (1 - f) if j == y else f)
        positive, negative = positive + added[0], negative + added[1]
    return positive, negative


def test_eql_v2_accumulates_the_weighted_gradients():
    criterion = lt.EQLv2Loss(5)
    steps = [(LOGITS[i::4], TARGET[i::4]) for i in range(4)]
    for logits, target in steps:
        criterion(logits.clone().requires_grad_(), target)
    positive, negative = eql_v2_gradients(steps)
    np.testing.assert_allclose(criterion.positive, positive, rtol=1e-5)
    np.testing.assert_allclose(criterion.negative, negative, rtol=1e-5)


def test_eql_v2_before_the_first_step_is_binary_cross_entropy():
    for reduction in ("mean", "sum", "none"):
        criterion = lt.EQLv2Loss(5, reduction=reduction)
        one_hot = F.one_hot(TARGET, 5).double()
        want = F.binary_cross_entropy_with_logits(LOGITS, one_hot, reduction="none").sum(1)
        want = {"mean": want.mean(), "sum": want.sum(), "none": want}[reduction]
        torch.testing.assert_close(criterion(LOGITS, TARGET), want)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_eql_v2_does_not_learn_from_samples_that_are_ignored_or_not_finite(value):
    good, bad = lt.EQLv2Loss(5), lt.EQLv2Loss(5, ignore_index=4)
    kept = (TARGET != 4) & (torch.arange(40) != 0)
    good(LOGITS[kept].clone().requires_grad_(), TARGET[kept])
    logits = LOGITS.clone()
    logits[0, 2] = value
    bad(logits.requires_grad_(), TARGET)
    torch.testing.assert_close(bad.positive, good.positive)
    torch.testing.assert_close(bad.negative, good.negative)


@pytest.mark.parametrize("make", [lt.SeesawLoss, lt.EQLv2Loss])
def test_a_resumed_loss_with_memory_goes_on_as_if_nothing_had_happened(make):
    whole, first = make(5), make(5)
    for logits in LOGITS.split(10):
        whole(logits.clone().requires_grad_(), TARGET[:10])
    for logits in LOGITS[:20].split(10):
        first(logits.clone().requires_grad_(), TARGET[:10])
    resumed = make(5)
    resumed.load_state_dict(first.state_dict())
    for logits in LOGITS[20:].split(10):
        resumed(logits.clone().requires_grad_(), TARGET[:10])
    assert all(torch.equal(a, b) for a, b in zip(whole.buffers(), resumed.buffers(), strict=True))
    with resumed.pause_statistics():
        resumed(LOGITS.clone().requires_grad_(), TARGET)
    assert all(torch.equal(a, b) for a, b in zip(whole.buffers(), resumed.buffers(), strict=True))
    resumed.reset_statistics()
    assert not any(buffer.any() for buffer in resumed.buffers())


def test_lade_s_regulariser_belongs_to_the_batch():
    criterion = lt.LADELoss(COUNTS, reduction="none", alpha=0.1)
    extra = criterion(LOGITS, TARGET) - lt.balanced_softmax_loss(LOGITS, TARGET, COUNTS)
    torch.testing.assert_close(extra, extra[:1].expand_as(extra))
    assert extra[0].abs() > 1e-3
    mean = lt.LADELoss(COUNTS, alpha=0.1)(LOGITS, TARGET)
    torch.testing.assert_close(mean, criterion(LOGITS, TARGET).mean())
    total = lt.LADELoss(COUNTS, alpha=0.1, reduction="sum")(LOGITS, TARGET)
    torch.testing.assert_close(total, criterion(LOGITS, TARGET).sum())


def test_weights_are_deferred_and_leave_no_trace_in_a_checkpoint():
    inner = lt.LDAMLoss(COUNTS)
    criterion = lt.DeferredReweighting(inner, COUNTS, start_epoch=3, beta=0.99)
    plain, names = inner(LOGITS, TARGET), set(criterion.state_dict())
    assert torch.equal(criterion(LOGITS, TARGET), plain)
    criterion.set_epoch(3)
    weight = lt.class_balanced_weights(COUNTS, 0.99)
    torch.testing.assert_close(criterion(LOGITS, TARGET), lt.LDAMLoss(COUNTS, weight.float())(LOGITS, TARGET))
    assert inner.weight is None
    assert set(criterion.state_dict()) == names
    criterion.set_epoch(2)
    assert torch.equal(criterion(LOGITS, TARGET), plain)


@pytest.mark.parametrize("spatial", [(), (2,)])
def test_class_balanced_weights_are_the_same_for_indices_and_for_one_hot_targets(spatial):
    logits = torch.randn(6, 4, *spatial, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 4, (6, *spatial), generator=torch.Generator().manual_seed(1))
    soft = F.one_hot(target, 4).movedim(-1, 1).float()
    for criterion in (lt.ClassBalancedLoss([500, 50, 20, 5], gamma=1.0), lt.ClassBalancedLoss([5, 4, 3, 2])):
        torch.testing.assert_close(criterion(logits, soft), criterion(logits, target))
    own = torch.tensor([1.0, 2.0, 3.0, 4.0])  # EQL v2 and class-balanced losses divide by weights, the others do not
    losses = (nn.CrossEntropyLoss(own), lt.FocalLoss(4), lt.EQLv2Loss(4, own), lt.ClassBalancedLoss([5, 4, 3, 2]))
    for inner in (*losses, lt.LADELoss([5, 4, 3, 2], alpha=1.0)):
        deferred = lt.DeferredReweighting(inner, [500, 50, 20, 5], start_epoch=1)
        torch.testing.assert_close(copy.deepcopy(deferred)(logits, soft), deferred(logits, target))
        torch.testing.assert_close(deferred.mean_divisor(soft), deferred.mean_divisor(target))


@pytest.mark.slow
def test_deferred_reweighting_is_compiled_twice_however_many_epochs_there_are():
    torch._dynamo.reset()
    criterion = lt.DeferredReweighting(lt.GALALoss(5), COUNTS, start_epoch=3)
    eager, compiled = copy.deepcopy(criterion), torch.compile(criterion, backend="eager", fullgraph=True)
    logits = LOGITS.float().requires_grad_()
    for epoch in range(1, 12):
        for each in (eager, criterion):
            each.set_epoch(epoch)
        torch.testing.assert_close(compiled(logits, TARGET), eager(logits, TARGET))


def test_deferred_weights_multiply_those_of_the_loss():
    own = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    criterion = lt.DeferredReweighting(nn.CrossEntropyLoss(own), COUNTS, start_epoch=1, beta=0.9)
    want = F.cross_entropy(LOGITS.float(), TARGET, own * lt.class_balanced_weights(COUNTS, 0.9).float())
    torch.testing.assert_close(criterion(LOGITS.float(), TARGET), want)
    with pytest.raises(TypeError, match="`criterion` must be an nn.CrossEntropyLoss"):
        lt.DeferredReweighting(nn.MSELoss(), COUNTS)
    for inner in (lt.GALALoss(6), nn.CrossEntropyLoss(torch.ones(6))):
        with pytest.raises(ValueError, match=r"`class_counts` must hold 6 classes, as `criterion` does\. Got 5\."):
            lt.DeferredReweighting(inner, COUNTS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lt.LogitAdjustmentLoss(COUNTS, tau=-1), "`tau` must be finite and at least 0"),
        (lambda: lt.VSLoss(COUNTS, gamma=math.nan), "`gamma` must be finite"),
        (lambda: lt.LDAMLoss(COUNTS, scale=0), "`scale` must be finite and greater than 0"),
        (lambda: lt.GCLLoss(COUNTS, cloud=-0.1), "`cloud` must be"),
        (lambda: lt.EQLLoss(COUNTS, probability=1.2), r"`probability` must lie in \[0, 1\]"),
        (lambda: lt.ClassBalancedLoss(COUNTS, beta=1.1), r"`beta` must lie in \[0, 1\]"),
        (lambda: lt.ClassBalancedLoss(COUNTS, power=-0.5), "`power` must be finite and at least 0"),
        (lambda: lt.LabelAwareSmoothingLoss(COUNTS, head=1.1), r"`head` must lie in \[0, 1\]"),
        (lambda: lt.LabelAwareSmoothingLoss(COUNTS, ramp="cubic"), "`ramp` must be one of"),
        (lambda: lt.SeesawLoss(5, eps=0), "`eps` must be finite and greater than 0"),
        (lambda: lt.EQLv2Loss(5, gamma=-1), "`gamma` must be finite and at least 0"),
        (lambda: lt.LADELoss(COUNTS, lam=-1), "`lam` must be finite and at least 0"),
        (lambda: lt.FocalLoss(5, gamma=10**30), r"`gamma` must be at most 1e\+15: results overflow above. Got 10"),
        (lambda: lt.ClassBalancedLoss(COUNTS, power=50), "a weight of .* for class 0. Choose a smaller `power`"),
        (
            lambda: lt.BalancedSoftmaxLoss([1e308, 1e308]),
            r"`class_counts` must be at most 1e\+15. Got 1e\+308 for class",
        ),
        (
            lambda: lt.DeferredReweighting(nn.CrossEntropyLoss(), COUNTS, start_epoch=0),
            "`start_epoch` must be at least 1",
        ),
        (lambda: lt.gcl_loss(LOGITS, TARGET, COUNTS, torch.zeros(2)), "`noise` must have the shape of the logits"),
        (lambda: lt.seesaw_loss(LOGITS, TARGET, torch.ones(5, 1)), r"`seen` must have the shape \(C,\). Got \(5, 1\)"),
        (lambda: lt.seesaw_loss(LOGITS[:, :1], TARGET, torch.ones(1)), "`seen` must hold at least 2 classes. Got 1"),
        (
            lambda: lt.eql_v2_loss(LOGITS, TARGET, torch.ones(5), torch.ones(1)),
            r"`negative` must have the shape of `positive`, \(5,\). Got \(1,\)",
        ),
    ],
)
def test_settings_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_ignored_index_may_be_an_integer_of_numpy_and_flags_are_no_text():
    criterion = lt.LogitAdjustmentLoss(COUNTS, ignore_index=np.int64(-1))
    assert type(criterion.ignore_index) is int
    target = torch.where(TARGET == 2, -1, TARGET)
    torch.testing.assert_close(
        criterion(LOGITS, target), lt.LogitAdjustmentLoss(COUNTS, ignore_index=-1)(LOGITS, target)
    )
    for flag in ("validate", "margins_without_grad"):
        with pytest.raises(TypeError, match=f"`{flag}` must be True or False. Got 'no'"):
            lt.GALALoss(5, **{flag: "no"})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lt.seesaw_loss(LOGITS, TARGET, [1.0] * 5), "`seen` must be a tensor of real numbers. Got list"),
        (
            lambda: lt.eql_v2_loss(LOGITS, TARGET, torch.ones(5), torch.ones(5, dtype=torch.cfloat)),
            "`negative` must be a tensor of real numbers. Got torch.complex64",
        ),
        (lambda: lt.gcl_loss(LOGITS, TARGET, COUNTS, [[0.1] * 5] * 40), "`noise` must be a tensor of real numbers"),
        (
            lambda: lt.eql_loss(LOGITS, TARGET, COUNTS, torch.zeros(40, 5)),
            "`left_out` must be a tensor of torch.bool. Got torch.float32",
        ),
        (
            lambda: lt.GALALoss(5, torch.ones(5, dtype=torch.cfloat)),
            "`weight` must hold real numbers. Got torch.complex64",
        ),
    ],
)
def test_what_is_no_tensor_of_numbers_is_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_statistics_of_half_precision_are_computed_with_in_float32():
    positive, negative = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 0.0, 2.0])
    logits, target = torch.zeros(2, 3), torch.tensor([0, 2])
    expected = lt.eql_v2_loss(logits, target, positive, negative)
    torch.testing.assert_close(lt.eql_v2_loss(logits, target, positive.half(), negative.half()), expected)


def numbers_of(name):
    return [key for key, value in settable_arguments(name).items() if type(value) is float]


@pytest.mark.parametrize("value", [1e39, 1e300, 10**30])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_numbers_beyond_those_of_float32_are_refused(name, value):
    for key in numbers_of(name):
        with pytest.raises(ValueError, match=f"`{key}` must"):
            make_loss(name, COUNTS, **{key: value})


@pytest.mark.parametrize("value", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_loss_is_finite_for_every_number_that_is_accepted(name, value):
    for key in numbers_of(name):
        with suppress(ValueError):  # 1e12 is no fraction
            criterion = make_loss(name, COUNTS, **{key: value})
            for _ in range(2):  # losses that learn use what the first step has found
                logits = LOGITS.float().requires_grad_()
                loss = criterion(logits, TARGET)
                loss.backward()
                assert loss.isfinite()
                assert logits.grad.isfinite().all()


@pytest.mark.parametrize("wrapped", [False, True])
def test_eql_notes_that_it_is_cross_entropy(wrapped):
    counts = torch.tensor([90, 9, 1])

    def notes(**settings):
        criterion = lt.EQLLoss(counts, **settings)
        return (lt.DeferredReweighting(criterion, counts, start_epoch=1) if wrapped else criterion).notes()

    assert len(notes(threshold=0.005)) == 1
    assert "below `threshold`, 0.005; the rarest has 0.01." in notes(threshold=0.005)[0]
    assert notes(threshold=0.02) == notes(threshold=0.0) == notes(probability=0.0) == []
