import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from longtail.losses import DeferredReweighting, GALALoss, LDAMLoss
from longtail.losses.loss_with_memory import LossWithMemory
from longtail.losses.memory import Memory
from losses.cases import COUNTS

OF_SUBCLASSES = {
    "learn", "learn_received", "update", "contribute", "observe", "observe_received", "remember", "remember_from_now"
}  # fmt: skip
TARGET = torch.arange(40) % 5


def make_logits() -> torch.Tensor:
    return (torch.randn(40, 5, generator=torch.Generator().manual_seed(0)) * 3).requires_grad_()


def test_it_has_every_method_of_a_loss_that_learns():
    members = vars(Memory) | vars(LossWithMemory)
    public = {name for name, value in members.items() if callable(value) and not name.startswith("_")}
    assert public - OF_SUBCLASSES <= set(vars(DeferredReweighting))
    with pytest.raises(AttributeError, match="one_stepp"):
        DeferredReweighting(GALALoss(5), COUNTS).one_stepp  # noqa: B018


def test_forward_passes_of_one_step_use_the_same_statistics():
    criterion = DeferredReweighting(GALALoss(5), COUNTS, start_epoch=1)
    whole = copy.deepcopy(criterion)
    whole(make_logits(), TARGET)
    with criterion.one_step():
        for half in (slice(0, 20), slice(20, 40)):
            criterion(make_logits()[half], TARGET[half])
            assert not criterion.summary()["theta"].any()
    torch.testing.assert_close(criterion.summary(), whole.summary())


def test_statistics_are_paused_and_reset():
    criterion = DeferredReweighting(GALALoss(5), COUNTS)
    with criterion.pause_statistics():
        criterion(make_logits(), TARGET)
    assert not criterion.summary()["theta"].any()
    criterion(make_logits(), TARGET)
    assert criterion.summary()["theta"].any()
    criterion.reset_statistics()
    assert not criterion.summary()["theta"].any()


def test_an_activation_checkpoint_counts_once():
    plain, checkpointed = (DeferredReweighting(GALALoss(5), COUNTS, start_epoch=1) for _ in range(2))
    for _ in range(2):
        logits, same = make_logits(), make_logits()
        plain(logits, TARGET).backward()
        contexts = checkpointed.checkpoint_contexts
        checkpoint(checkpointed, same, TARGET, use_reentrant=False, context_fn=contexts).backward()
        assert torch.equal(same.grad, logits.grad)
    assert torch.equal(checkpointed.summary()["theta"], plain.summary()["theta"])


@pytest.mark.parametrize("inner", [nn.CrossEntropyLoss(), LDAMLoss(COUNTS)])
def test_these_methods_do_nothing_around_a_loss_without_statistics(inner):
    criterion = DeferredReweighting(inner, COUNTS, start_epoch=1)
    plain = criterion(make_logits(), TARGET)
    criterion.reset_statistics()
    with criterion.one_step(), criterion.pause_statistics():
        assert torch.equal(criterion(make_logits(), TARGET), plain)
    contexts = criterion.checkpoint_contexts
    assert torch.equal(checkpoint(criterion, make_logits(), TARGET, use_reentrant=False, context_fn=contexts), plain)


@pytest.mark.parametrize("inner", [nn.CrossEntropyLoss(), LDAMLoss(COUNTS), GALALoss(5)])
def test_casting_it_leaves_its_class_weights_alone(inner):
    criterion = DeferredReweighting(copy.deepcopy(inner), [50_000, 5_000, 500, 50, 5], start_epoch=1)
    kept, logits = criterion.class_weight.clone(), make_logits().bfloat16()
    model = nn.Sequential(nn.Linear(3, 5), criterion)
    model.half().bfloat16()
    assert torch.equal(criterion.class_weight, kept)
    want = copy.deepcopy(criterion)(logits.float(), TARGET)
    torch.testing.assert_close(copy.deepcopy(criterion)(logits.double(), TARGET).float(), want)
    torch.testing.assert_close(copy.deepcopy(criterion)(logits, TARGET).float(), want, rtol=1e-2, atol=0)
    assert DeferredReweighting(inner, COUNTS).to("meta").half().class_weight.dtype == torch.float32


def test_the_epoch_reaches_a_custom_loss():
    class Own(nn.CrossEntropyLoss):
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

    own = Own()
    DeferredReweighting(own, COUNTS).set_epoch(3)
    assert own.epoch == 3
    DeferredReweighting(nn.CrossEntropyLoss(), COUNTS).set_epoch(3)  # which follows no epochs


def test_its_class_weights_become_float32_on_a_device_without_float64(monkeypatch):
    """MPS raises this error; the device "meta" stands for it."""
    move = torch.Tensor.to

    def refusing(tensor, *arguments, **keywords):
        if torch.device("meta") in arguments and tensor.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return move(tensor, *arguments, **keywords)

    monkeypatch.setattr(torch.Tensor, "to", refusing)
    criterion = DeferredReweighting(nn.CrossEntropyLoss(torch.ones(5).double()), COUNTS)
    assert criterion.class_weight.dtype == torch.float64
    moved = criterion.to("meta").class_weight
    assert moved.is_meta
    assert moved.dtype == torch.float32


@pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss(torch.ones(2, device="meta")), GALALoss(2).to("meta")])
def test_its_class_weights_are_on_the_device_of_a_criterion_that_was_moved_before(criterion):
    assert DeferredReweighting(criterion, [9, 1]).class_weight.is_meta
