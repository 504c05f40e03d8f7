"""Losses within a module: their epoch, and a step that is finished or dropped."""

import torch

from longtail.integrations.losses_within import LossesWithin
from longtail.losses import BalancedSoftmaxLoss, DeferredReweighting, GALALoss, ProbabilisticContrastiveLoss

COUNTS = torch.tensor([6, 3, 1])
LOGITS = torch.zeros(4, 3, requires_grad=True)
TARGET = torch.tensor([0, 0, 1, 2])


def test_the_losses_of_a_module_are_found_also_within_other_losses():
    gala = GALALoss(3)
    deferred = DeferredReweighting(gala, COUNTS, start_epoch=2)
    module = torch.nn.ModuleDict(
        {"network": torch.nn.Linear(2, 3), "other": torch.nn.CrossEntropyLoss(), "own": deferred}
    )
    assert LossesWithin(module).found() == [deferred, gala]
    assert LossesWithin(BalancedSoftmaxLoss(COUNTS)).found() != []
    assert LossesWithin(torch.nn.CrossEntropyLoss()).found() == []


def test_the_epoch_reaches_a_loss_that_changes():
    deferred = DeferredReweighting(torch.nn.CrossEntropyLoss(), COUNTS, start_epoch=2)
    within, logits = LossesWithin(deferred), torch.tensor([[3.0, 0, 0], [0, 0, 0]], requires_grad=True)
    target = torch.tensor([0, 2])
    before = deferred(logits, target)
    within.set_epoch(2)
    assert deferred(logits, target) > before


def test_the_epoch_reaches_a_loss_of_projections():
    contrast = ProbabilisticContrastiveLoss(COUNTS, dimensions=16)
    within, views = LossesWithin(torch.nn.ModuleDict({"contrast": contrast})), torch.eye(16)[:4].requires_grad_()
    for epoch in (1, 2, 3):
        within.set_epoch(epoch)
        contrast(views, TARGET)
    assert contrast.means()[0, :3].tolist() == [0.5, 0.5, 0.0]
    assert contrast.samples.sum() + contrast.former_samples.sum() == 8  # of the last two epochs


def test_passes_of_a_step_are_counted_once():
    whole, parts = GALALoss(3, accumulate="released"), GALALoss(3, accumulate="released")
    within = LossesWithin(parts)
    for _ in range(2):
        whole(LOGITS, TARGET)
        for half in (slice(0, 2), slice(2, 4)):
            within.begin_step()  # again for each part, as loops of other libraries say it
            parts(LOGITS[half], TARGET[half])
        within.end_step()
    torch.testing.assert_close(parts.theta, whole.theta)
    assert parts.theta.sum() > 0


def test_a_dropped_step_teaches_nothing_and_the_next_one_does():
    criterion = GALALoss(3)
    within = LossesWithin(criterion)
    within.begin_step()
    criterion(LOGITS, TARGET)
    within.drop_step()
    assert criterion.theta.sum() == 0
    within.end_step()  # nothing to end
    criterion(LOGITS, TARGET)
    assert criterion.theta.sum() > 0
