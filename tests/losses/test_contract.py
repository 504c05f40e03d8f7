"""The properties that every loss has, whatever its mathematics."""

import copy
import inspect
import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from longtail.losses import (
    BalancedSoftmaxLoss,
    ClassBalancedLoss,
    DeferredReweighting,
    EQLv2Loss,
    FocalLoss,
    GALALoss,
    SeesawLoss,
)
from longtail.losses.contract import LongTailedLoss
from losses.cases import (
    DEVICE,
    NUM_CLASSES,
    differentiable_losses,
    every_loss,
    shift_invariant_losses,
    softmax_losses,
)

SAMPLES = 7
WEIGHT = torch.tensor([0.2, 1.0, 1.5, 3.0, 0.7], device=DEVICE)


def make_logits(shape=(SAMPLES, NUM_CLASSES), dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(DEVICE, dtype) * 3


def make_target(kind="index", spatial=(), dtype=torch.float32, ignore_index=None):
    generator = torch.Generator().manual_seed(1)
    if kind == "soft":
        shape = (SAMPLES, NUM_CLASSES, *spatial)
        return torch.rand(shape, generator=generator, dtype=torch.float64).softmax(1).to(DEVICE, dtype)
    target = torch.randint(0, NUM_CLASSES, (SAMPLES, *spatial), generator=generator)
    if ignore_index is not None:
        target[::3] = ignore_index
    return target.to(DEVICE)


def labels_with(index, label):
    target = make_target()
    target[index] = label
    return target.cpu()


OUT_OF_RANGE = [
    (labels_with(2, 5), IndexError, r"in \[0, 5\).* Got 5 at index 2.*num_classes"),
    (labels_with(3, -1), IndexError, "Got -1 at index 3"),
]


@every_loss
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_agrees_with_the_reference(case, kind, weight, label_smoothing):
    logits, target = make_logits(dtype=torch.float64), make_target(kind, dtype=torch.float64)
    arguments = {"weight": weight, "label_smoothing": label_smoothing}
    got = case.function(logits, target, **{**arguments, "weight": None if weight is None else weight.double()})
    want = case.reference(
        logits.cpu().numpy(),
        list(target.cpu().numpy()),
        **{**arguments, "weight": None if weight is None else weight.cpu().numpy()},
    )
    np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-6)
    module = case.module(**arguments, reduction="none")
    got = module(logits.float(), target if kind == "index" else target.float())
    np.testing.assert_allclose(got.cpu().numpy(), want, rtol=2e-5, atol=1e-6)


@softmax_losses
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("spatial", [(), (3,), (2, 3)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_is_a_drop_in_for_cross_entropy(case, kind, spatial, reduction):
    shape = (SAMPLES, NUM_CLASSES, *spatial)
    for weight, smoothing, ignore in itertools.product([None, WEIGHT], [0.0, 0.2], [None, -100, 2, 255]):
        if kind == "soft" and ignore is not None:
            continue
        target = make_target(kind, spatial, ignore_index=ignore)
        arguments = {
            "weight": weight,
            "label_smoothing": smoothing,
            "reduction": reduction,
            "ignore_index": -100 if ignore is None else ignore,
        }
        ours, theirs = make_logits(shape).requires_grad_(), make_logits(shape).requires_grad_()
        got, want = case.neutral(**arguments)(ours, target), F.cross_entropy(theirs, target, **arguments)
        torch.testing.assert_close(got, want, rtol=2e-6, atol=2e-6)
        got.sum().backward()
        want.sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


@every_loss
def test_dense_logits_give_the_losses_of_their_positions(case):
    logits, target = make_logits((SAMPLES, NUM_CLASSES, 2, 3)), make_target(spatial=(2, 3))
    got = case.module(reduction="none")(logits, target)
    flat = case.module(reduction="none")(logits.permute(0, 2, 3, 1).reshape(-1, NUM_CLASSES), target.flatten())
    torch.testing.assert_close(got, flat.view_as(got))


@every_loss
def test_one_unbatched_sample(case):
    logits, target = make_logits(), make_target()
    got = case.module(reduction="none")(logits[0], target[0])
    torch.testing.assert_close(got, case.module(reduction="none")(logits[:1], target[:1])[0])
    soft = make_target("soft")
    got = case.module(reduction="none")(logits[0], soft[0])
    torch.testing.assert_close(got, case.module(reduction="none")(logits[:1], soft[:1])[0])


@every_loss
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_eval_is_plain_cross_entropy_bit_for_bit(case, kind, reduction):
    arguments = {"weight": WEIGHT, "label_smoothing": 0.1, "reduction": reduction}
    logits, target = make_logits(), make_target(kind)
    criterion = case.module(**arguments).eval()
    before = copy.deepcopy(criterion.state_dict())
    assert torch.equal(criterion(logits, target), F.cross_entropy(logits, target, **arguments))
    assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@every_loss
@pytest.mark.parametrize("logits_dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("weight_dtype", [torch.float64, torch.float32])
def test_weights_of_any_precision_serve_logits_of_any_precision(case, logits_dtype, weight_dtype):
    logits, target = make_logits(dtype=logits_dtype), make_target()
    criterion = case.module(weight=WEIGHT.to(weight_dtype))
    if not case.takes(logits_dtype):
        with pytest.raises(TypeError, match="must be float32 or bfloat16 with `fused=True`. Got torch.float64"):
            criterion(logits, target)
        return
    want = case.module(weight=WEIGHT.to(logits_dtype))
    torch.testing.assert_close(criterion(logits, target), want(logits, target), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(
        criterion.eval()(logits, target), F.cross_entropy(logits, target, WEIGHT.to(logits_dtype))
    )
    with torch.autocast(DEVICE.type, torch.bfloat16):
        assert criterion(logits, target).isfinite()


@softmax_losses
def test_soft_targets_get_no_gradient_from_margins(case):
    logits, target = make_logits(), make_target("soft").requires_grad_()
    criterion = case.module(reduction="sum")
    got = torch.autograd.grad(criterion(logits, target), target)[0]
    with torch.no_grad():
        log_probs = case.module().adjust(logits, target).log_softmax(1)
    torch.testing.assert_close(got, torch.autograd.grad(criterion.combine(log_probs, target), target)[0])


@every_loss
def test_takes_the_keywords_of_cross_entropy(case):
    logits, target = make_logits(), make_target()
    assert torch.equal(case.module()(input=logits, target=target), case.module()(logits, target))


@differentiable_losses
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.slow
def test_gradcheck(case, kind):
    logits = make_logits(dtype=torch.float64).requires_grad_()
    target = make_target(kind, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: case.function(z, target, label_smoothing=0.1), (logits,))
    assert torch.autograd.gradgradcheck(lambda z: case.function(z, target), (logits,))


@every_loss
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_classes_may_be_renumbered(case, kind):
    logits, target = make_logits(dtype=torch.float64), make_target(kind, dtype=torch.float64)
    order = torch.tensor([3, 0, 4, 1, 2], device=DEVICE)
    renumbered = target[:, order] if kind == "soft" else order.argsort()[target]
    torch.testing.assert_close(case.function(logits[:, order], renumbered, order), case.function(logits, target))


@shift_invariant_losses
def test_adding_a_constant_to_a_row_changes_nothing(case):
    logits, target = make_logits(dtype=torch.float64), make_target()
    shifted = logits + torch.arange(SAMPLES, device=DEVICE)[:, None] * 100
    torch.testing.assert_close(case.function(shifted, target), case.function(logits, target), rtol=1e-9, atol=1e-9)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_stay_finite(case, dtype):
    logits = (make_logits().sign() * 1e4).to(dtype).requires_grad_()
    criterion = case.module()
    if not case.takes(dtype):
        with pytest.raises(TypeError, match="must be float32 or bfloat16"):
            criterion(logits, make_target())
        return
    for target in (make_target(), make_target("soft").to(dtype)):
        loss = criterion(logits, target)
        loss.backward()
        assert loss.isfinite()
        assert logits.grad.isfinite().all()
        assert all(buffer.isfinite().all() for buffer in criterion.buffers())


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_lose_nothing_but_their_own_rounding(case, dtype):
    if not case.takes(dtype):
        return  # refused, see above
    rounded, target = make_logits(dtype=dtype), make_target()
    criterion, exact = case.module(), case.module()
    loss = criterion(rounded, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact(rounded.float(), target))
    for buffer, want in zip(criterion.buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(buffer, want)


@every_loss
def test_casting_the_module_leaves_its_statistics_alone(case):
    criterion = case.module()
    kept = dict(criterion.named_buffers())
    cast = copy.deepcopy(criterion).half()
    for name, buffer in cast.named_buffers():
        assert buffer.dtype == kept[name].dtype
        assert torch.equal(buffer, kept[name])
    assert torch.equal(cast.half()(make_logits(), make_target()), criterion(make_logits(), make_target()))


@every_loss
def test_on_a_device_without_float64_buffers_become_float32(case, monkeypatch):
    """MPS raises this error; the device "meta" stands for it."""
    move = torch.Tensor.to

    def refusing(tensor, *arguments, **keywords):
        if torch.device("meta") in arguments and tensor.dtype == torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        return move(tensor, *arguments, **keywords)

    monkeypatch.setattr(torch.Tensor, "to", refusing)
    criterion = case.module()
    kept = {name: buffer.dtype for name, buffer in criterion.named_buffers()}
    for moved in (copy.deepcopy(criterion).to("meta"), copy.deepcopy(criterion).to("meta", torch.float16)):
        for name, buffer in moved.named_buffers():
            assert buffer.is_meta
            assert buffer.dtype == (torch.float32 if kept[name] == torch.float64 else kept[name])


@pytest.mark.parametrize("kind", ["index", "soft"])
@every_loss
def test_autocast_does_not_reach_the_statistics(case, kind):
    logits, target = make_logits(dtype=torch.float32), make_target(kind)
    inside, outside = case.module(), case.module()
    with torch.autocast(DEVICE.type, torch.bfloat16):
        loss = inside(logits, target)
    torch.testing.assert_close(loss, outside(logits, target))
    assert all(torch.equal(a, b) for a, b in zip(inside.buffers(), outside.buffers(), strict=True))


@every_loss
def test_a_moving_average_of_models_takes_the_buffers(case):
    model = torch.nn.ModuleList([torch.nn.Linear(2, 2), case.module()])
    average = AveragedModel(model, use_buffers=True)
    for _ in range(3):
        average.update_parameters(model)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(average.module.state_dict()[name], value)


@every_loss
def test_state_dict_round_trip(case):
    criterion, restored = case.module(), case.neutral()
    criterion(make_logits(seed=5).requires_grad_(), make_target())
    assert set(criterion.state_dict()) == {name for name, _ in criterion.named_buffers()}
    restored.load_state_dict(criterion.state_dict())
    assert restored.state_dict().keys() == criterion.state_dict().keys()
    for name, value in criterion.state_dict().items():
        assert torch.equal(restored.state_dict()[name], value)


@every_loss
def test_an_empty_batch_does_what_cross_entropy_does(case):
    for shape in [(0,), (0, 3)]:
        logits = torch.zeros(0, NUM_CLASSES, *shape[1:], requires_grad=True, device=DEVICE)
        target = torch.zeros(shape, dtype=torch.int64, device=DEVICE)
        for reduction in ("mean", "sum", "none"):
            criterion = case.module(reduction=reduction)
            before = copy.deepcopy(criterion.state_dict())
            want = F.cross_entropy(logits, target, reduction=reduction)
            torch.testing.assert_close(criterion(logits, target), want, equal_nan=True)
            assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@every_loss
def test_a_wholly_ignored_batch_does_what_cross_entropy_does(case):
    logits, target = make_logits().requires_grad_(), torch.full((SAMPLES,), -100, device=DEVICE)
    for reduction, smoothing in itertools.product(["mean", "sum", "none"], [0.0, 0.1]):
        criterion = case.module(reduction=reduction, label_smoothing=smoothing)
        before = copy.deepcopy(criterion.state_dict())
        want = F.cross_entropy(logits, target, reduction=reduction, label_smoothing=smoothing)
        torch.testing.assert_close(criterion(logits, target), want, equal_nan=True)
        assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@every_loss
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.slow
def test_compiles_to_one_graph(case, kind):
    torch._dynamo.reset()
    logits, target = make_logits().requires_grad_(), make_target(kind)
    eager, module = case.module(), case.module()
    compiled = torch.compile(module, fullgraph=True)
    for _ in range(3):
        logits.grad = None
        want = eager(logits, target)
        want.backward()
        want_grad, logits.grad = logits.grad, None
        got = compiled(logits, target)
        got.backward()
        torch.testing.assert_close(got, want)
        torch.testing.assert_close(logits.grad, want_grad)
        for buffer, expected in zip(module.buffers(), eager.buffers(), strict=True):
            torch.testing.assert_close(buffer, expected)


@every_loss
def test_the_summary_holds_a_copy_of_what_is_known_of_each_class(case):
    criterion = case.module(weight=torch.ones(NUM_CLASSES))
    known = criterion.summary()
    assert known
    for name, value in known.items():
        assert value.shape == (NUM_CLASSES,)
        assert torch.equal(value, criterion.get_buffer(name).cpu())
        value.zero_()
    assert criterion.summary()["weight"].sum() == NUM_CLASSES
    criterion.set_epoch(3)


def test_deferred_reweighting_passes_epochs_on_and_adds_its_weights(monkeypatch):
    criterion = DeferredReweighting(GALALoss(NUM_CLASSES), [9, 3, 1, 1, 1], start_epoch=2)
    epochs: list[int] = []
    monkeypatch.setattr(criterion.criterion, "set_epoch", epochs.append)
    criterion.set_epoch(3)
    assert epochs == [3]
    assert set(criterion.summary()) == {"theta", "phi", "class_weight"}
    assert set(DeferredReweighting(torch.nn.CrossEntropyLoss(), [9, 1]).summary()) == {"class_weight"}


@every_loss
@pytest.mark.slow
def test_the_signature_shows_all_arguments(case):
    shown = inspect.signature(type(case.module())).parameters
    base = inspect.signature(LongTailedLoss).parameters
    assert list(shown)[1] == "weight"
    for name in ("ignore_index", "reduction", "label_smoothing", "validate", "margins_without_grad"):
        assert shown[name].default == base[name].default
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert "arguments" not in shown
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        case.module(nonsense=1)


class WithoutConstructor(LongTailedLoss):
    """A loss of one's own that has no settings."""


@pytest.mark.parametrize("kind", [LongTailedLoss, WithoutConstructor])
def test_the_signature_of_the_contract_shows_only_arguments_that_it_takes(kind):
    shown = inspect.signature(kind).parameters
    assert not [name for name, each in shown.items() if each.kind is inspect.Parameter.VAR_KEYWORD]
    assert list(shown)[:2] == ["num_classes", "weight"]
    with pytest.raises(TypeError, match=rf"`{kind.__name__}` got an unexpected keyword argument 'unknow'\. It takes "):
        kind(3, unknow=1)
    assert kind(3, **{name: each.default for name, each in shown.items() if name != "num_classes"}).num_classes == 3


@every_loss
@pytest.mark.parametrize("kind", ["index", "soft"])
@pytest.mark.slow
def test_an_exported_training_step_learns_too(case, kind):
    logits, target = make_logits(), make_target(kind)
    eager, module = case.module(), case.module()
    exported = torch.export.export(module, (logits, target)).module()
    for seed in range(3):
        logits = make_logits(seed=seed)
        torch.testing.assert_close(exported(logits, target), eager(logits, target))
        for name, expected in eager.named_buffers():
            torch.testing.assert_close(exported.get_buffer(name), expected)


@pytest.mark.parametrize("make", [GALALoss, partial(GALALoss, form="paper"), SeesawLoss, EQLv2Loss])
@pytest.mark.slow
def test_a_compiled_loss_with_memory_sends_the_gradients_of_its_own_step(make):
    # The compiled backward pass computes margins again from the statistics; small inputs hide when these have moved on.
    torch._dynamo.reset()
    eager, module = make(100).to(DEVICE), make(100).to(DEVICE)
    compiled = torch.compile(module, fullgraph=True)
    for seed in range(3):
        logits = make_logits((128, 100), seed=seed)
        target = (torch.rand(128, generator=torch.Generator().manual_seed(seed)) ** 3 * 100).long().to(DEVICE)
        ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        compiled(ours, target).backward()
        eager(theirs, target).backward()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


@every_loss
def test_the_target_is_checked(case):
    logits, criterion = make_logits(), case.module()
    one_hot = F.one_hot(make_target(), NUM_CLASSES)
    wrong = [
        (one_hot, ValueError, "Is it one-hot"),
        (make_target().float(), ValueError, r"must have the shape of the logits, \(7, 5\)"),
        (make_target()[:-1], ValueError, r"must have the shape \(7,\)\. Got \(6,\)"),
        (make_target()[:, None], ValueError, r"must have the shape \(7,\)\. Got \(7, 1\)\. Pass `target\[:, 0\]`"),
        (make_target().bool(), TypeError, r"must hold class indices, integers\. Got torch\.bool"),
        (make_target().cfloat(), TypeError, r"must hold class indices, integers\. Got torch\.complex64"),
        ([0] * SAMPLES, TypeError, "must be tensors"),
    ]
    for target, error, message in wrong + (OUT_OF_RANGE if DEVICE.type == "cpu" else []):
        before = copy.deepcopy(criterion.state_dict())
        for mode in (True, False):
            with pytest.raises(error, match=message):
                criterion.train(mode)(logits, target)
        assert all(torch.equal(before[name], value) for name, value in criterion.state_dict().items())


@every_loss
def test_labels_out_of_range_are_named_on_request_on_any_device(case):
    for target, error, message in OUT_OF_RANGE:
        with pytest.raises(error, match=message):
            case.module(validate=True)(make_logits(), target.to(DEVICE))


@every_loss
def test_the_logits_are_checked(case):
    for logits, error, message in [
        (torch.zeros(SAMPLES, 4, device=DEVICE), ValueError, r"with C = 5\. Got \(7, 4\)"),
        (torch.zeros(()), ValueError, "Got \\(\\)"),
        (torch.zeros(2, 3, NUM_CLASSES), ValueError, r"Move the classes: `logits.movedim\(-1, 1\)`"),
        (torch.zeros(SAMPLES, NUM_CLASSES, dtype=torch.int64), TypeError, "floating point. Got torch.int64"),
    ]:
        with pytest.raises(error, match=message):
            case.module()(logits, make_target())


@every_loss
def test_values_are_checked_on_request(case):
    criterion = case.module(validate=True)
    good, target = make_logits(), make_target()
    assert criterion(good, target).isfinite()
    for value in (float("nan"), float("inf"), -float("inf")):
        bad = good.clone()
        bad[3, 1] = value
        with pytest.raises(ValueError, match=r"`logits` must be finite\. Got -?(nan|inf) at \[3, 1\]"):
            criterion(bad, target)
    soft = make_target("soft")
    assert criterion(good, soft).isfinite()
    with pytest.raises(ValueError, match=r"must sum to 1 over the classes\. Got a sum of 2 at \[0\]"):
        criterion(good, soft * 2)
    with pytest.raises(ValueError, match="must be at least 0"):
        criterion(good, soft - 0.5)


@every_loss
def test_the_settings_are_checked(case):
    refused: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"reduction": "avg"}, ValueError, "`reduction` must be one of 'mean', 'sum', 'none'. Got 'avg'"),
        ({"label_smoothing": 1.5}, ValueError, r"`label_smoothing` must lie in \[0, 1\]"),
        ({"label_smoothing": float("nan")}, ValueError, "`label_smoothing`"),
        ({"weight": torch.ones(3)}, ValueError, r"`weight` must have the shape \(5,\)\. Got \(3,\)"),
        ({"weight": [1.0] * 5}, TypeError, "`weight` must be a tensor"),
        ({"ignore_index": None}, TypeError, "`ignore_index` must be an integer. Got None. To ignore nothing"),
        ({"ignore_index": 2.0}, TypeError, "`ignore_index` must be an integer. Got 2.0"),
        ({"fused": "yes"}, ValueError, "`fused` must be \"auto\", True or False. Got 'yes'"),
        ({"fused": 1}, ValueError, "`fused` must be"),
    ]
    for arguments, error, message in refused:
        if "reduction" not in arguments and "fused" not in arguments:
            with pytest.raises(error, match=message):
                case.function(make_logits(), make_target(), **arguments)
        with pytest.raises(error, match=message):
            case.module(**arguments)


@every_loss
def test_is_a_cross_entropy_loss_that_prints_its_settings(case):
    criterion = case.module()
    assert isinstance(criterion, torch.nn.CrossEntropyLoss)
    assert "num_classes=5" in repr(criterion)


def test_a_misspelt_argument_names_the_loss_and_the_nearest():
    with pytest.raises(TypeError, match="`BalancedSoftmaxLoss` got an .* 'reductoin'. Did you mean 'reduction'"):
        BalancedSoftmaxLoss([4, 2], reductoin="sum")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="`GALALoss` got an .* 'lambda1'. It takes .*lambda_positive"):
        GALALoss(4, lambda1=1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize("fused", [False, "auto"])
@pytest.mark.parametrize("make", [FocalLoss, lambda number, **keywords: ClassBalancedLoss([3] * number, **keywords)])
def test_the_strength_of_focal_factors_may_change_during_training(make, fused):
    classes = 1200 if fused else NUM_CLASSES
    logits, target = make_logits((SAMPLES, classes)).requires_grad_(), make_target()
    settings = {"fused": fused} | ({} if make is FocalLoss else {"beta": 0.0})
    criterion = make(classes, gamma=0.0, **settings)
    criterion.gamma = 2.0
    torch.testing.assert_close(criterion(logits, target), make(classes, gamma=2.0, **settings)(logits, target))
    criterion.gamma = 0.0
    torch.testing.assert_close(criterion(logits, target), F.cross_entropy(logits, target))
