import copy
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from longtail import GALALoss, gala_loss
from longtail.losses.received_gradients import received_gradients
from reference import gala as reference

NUM_CLASSES = 4
EPS = 0.064
THETA = torch.tensor([40.0, 11.0, 3.0, 0.5], dtype=torch.float64)


def batch(samples=6, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(samples, NUM_CLASSES, generator=generator, dtype=torch.float64).to(dtype) * 2
    return logits.requires_grad_(), torch.randint(0, NUM_CLASSES, (samples,), generator=generator)


# The five facts that follow from the definitions.


def test_fact_1_theta_equals_phi_for_hard_labels_only():
    logits, target = batch()
    log_probs = logits.detach().log_softmax(1)
    positive, negative = received_gradients(log_probs, F.one_hot(target, NUM_CLASSES).double())
    torch.testing.assert_close(positive, negative)
    torch.testing.assert_close(received_gradients(log_probs, target), (positive, negative))
    soft = torch.rand(6, NUM_CLASSES, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).softmax(1)
    positive, negative = received_gradients(log_probs, soft)
    assert not torch.allclose(positive, negative)
    torch.testing.assert_close(positive.sum(), negative.sum())


def test_fact_2_the_released_form_has_no_use_for_lambda_negative():
    logits, target = batch()
    with_term, without = (
        reference.gala_loss(logits.detach(), target.numpy(), THETA.numpy(), 2 * THETA.numpy(), lambda_negative=strength)
        for strength in (0.9, 0.0)
    )
    np.testing.assert_allclose(with_term, without)
    with pytest.warns(UserWarning, match="`lambda_negative` does nothing"):
        GALALoss(NUM_CLASSES, lambda_negative=0.9)


def test_fact_3_both_forms_agree_at_equal_strengths():
    logits, target = batch()
    losses = [
        gala_loss(logits, target, THETA, THETA, form=form, lambda_positive=0.8, lambda_negative=0.8)
        for form in ("released", "paper")
    ]
    torch.testing.assert_close(*losses)


def test_fact_4_the_printed_formula_depends_on_the_scale_and_ours_does_not():
    logits, target = batch()
    z, k = logits.detach().numpy()[0], int(target[0])
    printed = [
        reference.printed_logits(z, k, scale * THETA.numpy(), scale * THETA.numpy(), 1.2, 0.9) for scale in (1, 10)
    ]
    margin = [np.delete(adjusted - z[k], k) for adjusted in printed]
    np.testing.assert_allclose(margin[1] - margin[0], (1.2 - 0.9) * np.log(10))
    ours = [gala_loss(logits, target, s * THETA, s * THETA, form="paper", eps=s * EPS) for s in (1, 10)]
    torch.testing.assert_close(*ours)
    equal = reference.printed_logits(z, k, THETA.numpy(), THETA.numpy(), 1.2, 1.2)
    tiny = gala_loss(logits[:1], target[:1], THETA, THETA, form="paper", lambda_negative=1.2, eps=1e-12)
    np.testing.assert_allclose(tiny.item(), -equal[k] + np.log(np.exp(equal).sum()))


def test_fact_5_theta_learns_the_tail_without_counts():
    torch.manual_seed(0)
    counts = torch.tensor([800, 200, 50, 12])
    target = torch.repeat_interleave(torch.arange(NUM_CLASSES), counts)
    features = torch.randn(len(target), 8) + 1.5 * F.one_hot(target, 8)
    model, criterion = torch.nn.Linear(8, NUM_CLASSES), GALALoss(NUM_CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(15):
        for part in torch.randperm(len(target)).split(64):
            optimizer.zero_grad()
            criterion(model(features[part]), target[part]).backward()
            optimizer.step()
    log_theta, log_counts = criterion.theta.log(), counts.log()
    assert torch.corrcoef(torch.stack([log_theta, log_counts]))[0, 1] > 0.95
    plain = F.cross_entropy(model(features), target, reduction="none").detach()
    assert plain[target == 0].mean() > 0.1  # the head is not simply solved: θ measures, it does not saturate


# What is accumulated.


def test_statistics_are_the_gradients_of_autograd():
    logits, target = batch()
    criterion = GALALoss(NUM_CLASSES, reduction="sum")
    criterion.theta.copy_(THETA)
    criterion.phi.copy_(THETA)
    before = criterion.theta.clone()
    criterion(logits, target).backward()
    own = logits.grad.gather(1, target[:, None]).squeeze(1).abs().float()
    torch.testing.assert_close(
        criterion.theta - before, torch.zeros(NUM_CLASSES).index_add(0, target, own), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("form", ["released", "paper"])
@pytest.mark.parametrize("accumulate", ["sum", "released", "ema"])
@pytest.mark.parametrize("soft", [False, True])
def test_accumulation_agrees_with_the_reference(form, accumulate, soft):
    criterion = GALALoss(NUM_CLASSES, form=form, accumulate=accumulate, ema_decay=0.8)
    steps: list[tuple[np.ndarray, np.ndarray]] = []
    theta = phi = np.zeros(NUM_CLASSES)
    for seed in range(4):
        logits, target = batch(seed=seed)
        if soft:
            target = torch.rand(
                6, NUM_CLASSES, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
            ).softmax(1)
        steps.append(reference.gradients(logits.detach(), target.numpy(), theta, phi, form=form, lambda_negative=0.9))
        theta = reference.accumulate([positive for positive, _ in steps], accumulate, 0.8)
        phi = reference.accumulate([negative for _, negative in steps], accumulate, 0.8)
        criterion(logits, target)
        np.testing.assert_allclose(criterion.theta, theta, rtol=1e-5)
        np.testing.assert_allclose(criterion.phi, phi, rtol=1e-5)


def test_ema_with_decay_1_is_the_sum():
    discounted, plain = GALALoss(NUM_CLASSES, accumulate="ema", ema_decay=1.0), GALALoss(NUM_CLASSES)
    for seed in range(3):
        discounted(*batch(seed=seed))
        plain(*batch(seed=seed))
    torch.testing.assert_close(discounted.theta, plain.theta)


def test_micro_batches_sum_to_the_batch():
    logits, target = batch(samples=32)
    whole, parts = GALALoss(NUM_CLASSES, lambda_positive=0), GALALoss(NUM_CLASSES, lambda_positive=0)
    whole(logits, target)
    for part in range(0, 32, 8):
        parts(logits[part : part + 8], target[part : part + 8])
    torch.testing.assert_close(parts.theta, whole.theta)
    whole, parts = GALALoss(NUM_CLASSES), GALALoss(NUM_CLASSES)
    for criterion in (whole, parts):
        criterion.theta.copy_(1000 * THETA)
    whole(logits, target)
    for part in range(0, 32, 8):
        parts(logits[part : part + 8], target[part : part + 8])
    gained, wanted = parts.theta - 1000 * THETA, whole.theta - 1000 * THETA
    torch.testing.assert_close(gained, wanted, rtol=0.02, atol=0.01)  # the margins move a little between the parts


@pytest.mark.parametrize("accumulate", ["sum", "released", "ema"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_non_finite_sample_does_not_enter(accumulate, soft, value):
    logits, target = batch()
    if soft:
        target = F.one_hot(target, NUM_CLASSES).double() * 0.9 + 0.1 / NUM_CLASSES
    poisoned, clean = (GALALoss(NUM_CLASSES, accumulate=accumulate) for _ in range(2))
    label = target[2].argmax() if soft else target[2]
    broken = logits.detach().clone()
    broken[2, label] = value
    poisoned(broken, target)
    keep = torch.tensor([0, 1, 3, 4, 5])
    clean(logits[keep], target[keep])
    for name, buffer in clean.named_buffers():
        torch.testing.assert_close(dict(poisoned.named_buffers())[name], buffer)


def test_a_broken_sample_without_a_target_does_not_enter():
    criterion = GALALoss(NUM_CLASSES)
    criterion(torch.full((1, NUM_CLASSES), float("nan"), requires_grad=True), torch.zeros(1, NUM_CLASSES))
    assert not criterion.theta.any()
    assert not criterion.phi.any()


@pytest.mark.parametrize("accumulate", ["sum", "released", "ema"])
def test_a_batch_of_nothing_is_no_step(accumulate):
    criterion = GALALoss(NUM_CLASSES, accumulate=accumulate, ema_decay=0.5)
    criterion(*batch())
    before = copy.deepcopy(criterion.state_dict())
    logits, target = batch()
    criterion(logits, torch.full_like(target, -100))
    criterion(torch.full_like(logits, float("nan")), target)
    criterion(logits[:0], target[:0])
    assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@pytest.mark.parametrize("accumulate", ["sum", "released", "ema"])
def test_dense_soft_statistics_are_those_of_their_positions(accumulate):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, NUM_CLASSES, 3, 5, generator=generator) * 2
    target = torch.rand(2, NUM_CLASSES, 3, 5, generator=generator).softmax(1)
    dense, flat = GALALoss(NUM_CLASSES, accumulate=accumulate), GALALoss(NUM_CLASSES, accumulate=accumulate)
    for _ in range(2):
        dense(logits, target)
        flat(*(values.permute(0, 2, 3, 1).reshape(-1, NUM_CLASSES) for values in (logits, target)))
    for name, buffer in flat.named_buffers():
        torch.testing.assert_close(dense.get_buffer(name), buffer)


def test_targets_that_do_not_sum_to_1_follow_the_definition():
    logits, _ = batch()
    target = torch.rand(6, NUM_CLASSES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theta = np.zeros(NUM_CLASSES)
    want = reference.gradients(logits.detach(), target.numpy(), theta, theta)
    for got, expected in zip(received_gradients(logits.detach().log_softmax(1), target), want, strict=True):
        np.testing.assert_allclose(got, expected)


@pytest.mark.slow
def test_millions_of_positions_lose_no_gradient():
    logits = torch.tensor([[6.0], [0.0]]).expand(2, 4_000_000)[None]
    criterion = GALALoss(2)
    criterion(logits, torch.zeros(1, 4_000_000, dtype=torch.int64))
    each = 1 - torch.tensor([6.0, 0.0], dtype=torch.float64).softmax(0)[0]
    # Each loss of 0.0025 is known to 1e-7 in float32; a float32 sum of so many would be off by per cents.
    torch.testing.assert_close(criterion.theta[0].double(), 4_000_000 * each, rtol=1e-4, atol=0)


def test_smoothing_and_weights_do_not_reach_the_statistics():
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    plain, dressed = GALALoss(NUM_CLASSES), GALALoss(NUM_CLASSES, weight, label_smoothing=0.3)
    for seed in range(2):
        plain(*batch(seed=seed))
        dressed(*batch(seed=seed))
    torch.testing.assert_close(dressed.theta, plain.theta)


def test_loss_scaling_does_not_reach_the_statistics():
    logits, target = batch(dtype=torch.float32)
    scaled, plain = GALALoss(NUM_CLASSES), GALALoss(NUM_CLASSES)
    (scaled(logits, target) * 65536).backward()
    plain(logits, target).backward()
    assert torch.equal(scaled.theta, plain.theta)


# When it is accumulated.


def test_the_first_step_is_cross_entropy():
    logits, target = batch()
    for form in ("released", "paper"):
        torch.testing.assert_close(GALALoss(NUM_CLASSES, form=form)(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize("settings", [{"form": "released"}, {"form": "paper", "lambda_negative": 0.0}])
def test_strength_0_is_cross_entropy_bit_for_bit_and_keeps_learning(settings):
    logits, target = batch(dtype=torch.float32)
    arguments = {"weight": torch.tensor([1.0, 2.0, 0.5, 3.0]), "label_smoothing": 0.1}
    criterion = GALALoss(NUM_CLASSES, lambda_positive=0.0, **settings, **arguments)
    criterion.theta.copy_(THETA)
    assert torch.equal(criterion(logits, target), F.cross_entropy(logits, target, **arguments))
    assert (criterion.theta > THETA).any()
    losses = gala_loss(logits, target, THETA, THETA, lambda_positive=0.0, **settings)
    assert torch.equal(losses, F.cross_entropy(logits, target, reduction="none"))


def test_pause_statistics():
    criterion = GALALoss(NUM_CLASSES)
    with criterion.pause_statistics():
        with criterion.pause_statistics():
            criterion(*batch())
        criterion(*batch())
    assert not criterion.theta.any()
    with pytest.raises(KeyError), criterion.pause_statistics():
        raise KeyError
    criterion(*batch())
    assert criterion.theta.any()


def test_activation_checkpointing_counts_once():
    plain, checkpointed = GALALoss(NUM_CLASSES), GALALoss(NUM_CLASSES)
    for seed in range(3):
        (logits, target), (same, _) = batch(seed=seed), batch(seed=seed)
        plain(logits, target).backward()
        checkpoint(
            checkpointed, same, target, use_reentrant=False, context_fn=checkpointed.checkpoint_contexts
        ).backward()
        assert torch.equal(checkpointed.theta, plain.theta)
        assert torch.equal(checkpointed.phi, plain.phi)
        assert torch.equal(same.grad, logits.grad)


def test_a_checkpoint_may_be_recomputed_again_and_again():
    logits, target = batch()
    criterion, plain = GALALoss(NUM_CLASSES), GALALoss(NUM_CLASSES)
    loss = checkpoint(criterion, logits, target, use_reentrant=False, context_fn=criterion.checkpoint_contexts)
    want = torch.autograd.grad(plain(logits, target), logits)[0]
    for _ in range(2):
        assert torch.equal(torch.autograd.grad(loss, logits, retain_graph=True)[0], want)
    assert torch.equal(criterion.theta, plain.theta)


def test_reset_statistics():
    for accumulate in ("sum", "released", "ema"):
        criterion = GALALoss(NUM_CLASSES, torch.ones(NUM_CLASSES).double(), accumulate=accumulate)
        criterion(*batch())
        criterion.reset_statistics()
        assert not any(buffer.any() for name, buffer in criterion.named_buffers() if name != "weight")
        logits, target = batch(seed=1)
        torch.testing.assert_close(criterion(logits, target), F.cross_entropy(logits, target))
        assert torch.equal(criterion.weight, torch.ones(NUM_CLASSES).double())


@pytest.mark.parametrize("accumulate", ["sum", "released", "ema"])
def test_a_resumed_loss_goes_on_as_if_nothing_had_happened(accumulate):
    straight = GALALoss(NUM_CLASSES, accumulate=accumulate)
    for seed in range(3):
        straight(*batch(seed=seed))
    resumed = GALALoss(NUM_CLASSES, accumulate=accumulate)
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    for seed in range(3, 6):
        assert torch.equal(straight(*batch(seed=seed)), resumed(*batch(seed=seed)))
    assert all(torch.equal(a, b) for a, b in zip(straight.buffers(), resumed.buffers(), strict=True))


def test_no_gradient_flows_through_the_statistics():
    logits, target = batch()
    theta = THETA.clone().requires_grad_()
    for form in ("released", "paper"):
        losses = gala_loss(logits, target, theta, theta, form=form)
        assert torch.autograd.grad(losses.sum(), [logits, theta], allow_unused=True)[1] is None
    criterion = GALALoss(NUM_CLASSES)
    criterion(logits, target)
    assert not criterion.theta.requires_grad


# Every setting matters, and is checked.


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ({}, {"lambda_positive": 1.0}),
        ({}, {"form": "paper"}),
        ({}, {"eps": 1.0}),
        ({"form": "paper"}, {"lambda_positive": 1.0}),
        ({"form": "paper"}, {"lambda_negative": 0.5}),
        ({"form": "paper"}, {"eps": 1.0}),
    ],
)
def test_each_hyper_parameter_changes_the_loss(settings, change):
    logits, target = batch()
    own = gala_loss(logits, target, THETA, 2 * THETA.flip(0), **settings)
    changed = gala_loss(logits, target, THETA, 2 * THETA.flip(0), **(settings | change))
    assert not torch.allclose(own, changed)


def test_accumulation_settings_change_the_statistics():
    thetas = []
    for settings in ({}, {"accumulate": "released"}, {"accumulate": "ema"}, {"accumulate": "ema", "ema_decay": 0.5}):
        criterion = GALALoss(NUM_CLASSES, **settings)
        for seed in range(3):
            criterion(*batch(seed=seed))
        thetas.append(criterion.theta)
    for i in range(len(thetas)):
        for j in range(i):
            assert not torch.equal(thetas[i], thetas[j])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"num_classes": 1}, ValueError, r"`num_classes` must be at least 2\. Got 1\. A binary problem"),
        ({"num_classes": 0}, ValueError, "`num_classes` must be at least 1. Got 0"),
        ({"num_classes": 10.0}, TypeError, "`num_classes` must be an integer. Got 10.0"),
        ({"lambda_positive": -1.0}, ValueError, "`lambda_positive` must be finite and at least 0. Got -1.0"),
        ({"lambda_positive": float("nan")}, ValueError, "`lambda_positive`.* Got nan"),
        ({"lambda_positive": "1"}, TypeError, "`lambda_positive` must be a real number. Got '1'"),
        ({"lambda_negative": -0.5, "form": "paper"}, ValueError, "`lambda_negative`"),
        ({"form": "printed"}, ValueError, "`form` must be one of 'released', 'paper'. Got 'printed'"),
        ({"accumulate": "mean"}, ValueError, "`accumulate` must be one of 'sum', 'released', 'ema'. Got 'mean'"),
        ({"ema_decay": 1.1}, ValueError, r"`ema_decay` must lie in \[0, 1\]. Got 1.1"),
        ({"eps": 0.0}, ValueError, "`eps` must be finite and greater than 0. Got 0.0"),
    ],
)
def test_settings_are_checked(settings, error, message):
    with pytest.raises(error, match=message):
        GALALoss(**{"num_classes": NUM_CLASSES, **settings})


def test_the_function_checks_its_statistics():
    logits, target = batch()
    with pytest.raises(ValueError, match="with C = 3. Got"):
        gala_loss(logits, target, THETA[:3], THETA[:3])
    with pytest.raises(ValueError, match=r"`phi` must have the shape of `theta`, \(4,\). Got \(3,\)"):
        gala_loss(logits, target, THETA, THETA[:3])
    with pytest.raises(TypeError, match="`theta` must be a tensor of real numbers. Got list"):
        gala_loss(logits, target, THETA.tolist(), THETA)
    exact = gala_loss(logits.float(), target, THETA.half().float(), THETA.half().float())
    assert torch.equal(gala_loss(logits.float(), target, THETA.half(), THETA.half()), exact)


def test_the_paper_form_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GALALoss(NUM_CLASSES, form="paper", lambda_negative=0.9).lambda_negative == 0.9


def test_classes_never_seen_are_finite_and_held_back_least():
    logits = torch.zeros(3, NUM_CLASSES, requires_grad=True)
    criterion = GALALoss(NUM_CLASSES)
    for _ in range(50):
        criterion(logits, torch.tensor([0, 1, 2]))
    adjusted = criterion.adjust(logits, torch.tensor([0, 1, 2]))
    assert adjusted.isfinite().all()
    assert (adjusted[:, 3] < adjusted[:, :3].min(1).values).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_statistics_at_strength_0_do_not_saturate_in_half_precision(dtype):
    logits = torch.zeros(4096, NUM_CLASSES, dtype=dtype, requires_grad=True)
    criterion = GALALoss(NUM_CLASSES, lambda_positive=0.0)
    criterion(logits, torch.zeros(4096, dtype=torch.int64))
    torch.testing.assert_close(criterion.theta[0], torch.tensor(4096 * 0.75))


def test_statistics_are_float32_whatever_the_default_is():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert GALALoss(NUM_CLASSES).theta.dtype == torch.float32
    finally:
        torch.set_default_dtype(default)


def test_statistics_stay_float32_whatever_is_cast():
    criterion = GALALoss(NUM_CLASSES)
    model = torch.nn.Sequential(torch.nn.Linear(3, NUM_CLASSES), criterion)
    criterion.theta.copy_(torch.tensor([1 / 3, 1e-7, 123456.7, 0.1]))
    kept = criterion.theta.clone()
    assert torch.equal(model.half().bfloat16()[1].theta, kept)
    assert model[1].theta.dtype == torch.float32
    assert GALALoss(NUM_CLASSES).to("meta").half().theta.dtype == torch.float32
    halves = {name: value.half() for name, value in GALALoss(NUM_CLASSES).state_dict().items()}
    for assign in (False, True):
        model[1].load_state_dict(halves, assign=assign)
        assert model[1].theta.dtype == torch.float32
