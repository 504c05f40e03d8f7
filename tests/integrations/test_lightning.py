"""The callback in Lightning's `Trainer`: accumulated batches, epochs, checkpoints, samplers of several processes."""

import os
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from longtail.integrations import LightningLosses
from longtail.losses import DeferredReweighting, GALALoss
from longtail.samplers import ClassAwareSampler

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")]

COUNTS = torch.tensor([28, 8, 3, 1])
GENERATOR = torch.Generator().manual_seed(0)
LABELS = torch.arange(4).repeat_interleave(COUNTS)[torch.randperm(40, generator=GENERATOR)]
INPUTS = torch.randn(40, 5, generator=GENERATOR)


class Classifier(pl.LightningModule):
    def __init__(self, criterion, fails_at=None):
        super().__init__()
        torch.manual_seed(0)
        self.network, self.criterion, self.fails_at = torch.nn.Linear(5, 4), criterion, fails_at

    def training_step(self, batch, index):
        if index == self.fails_at:
            raise RuntimeError("no more")
        inputs, target = batch
        return self.criterion(self.network(inputs), target)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(module, *, parts=1, sampler=None, resume=None, keep=None, **settings):
    trainer = pl.Trainer(
        **{
            "max_epochs": 2,
            "accumulate_grad_batches": parts,
            "callbacks": [LightningLosses()],
            "accelerator": "cpu",
            "use_distributed_sampler": False,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            **settings,
        }
    )
    trainer.fit(module, DataLoader(TensorDataset(INPUTS, LABELS), 8 // parts, sampler=sampler), ckpt_path=resume)
    if keep:
        trainer.save_checkpoint(keep, weights_only=False)
    return module


def test_accumulated_batches_are_one_step():
    whole = fit(Classifier(GALALoss(4, accumulate="released")))
    parts = fit(Classifier(GALALoss(4, accumulate="released")), parts=4)
    torch.testing.assert_close(parts.criterion.theta, whole.criterion.theta)
    torch.testing.assert_close(parts.network.weight, whole.network.weight)


def test_a_resumed_training_is_the_one_that_was_not_interrupted(tmp_path):
    whole, path = fit(Classifier(GALALoss(4)), parts=2), tmp_path / "one.ckpt"
    fit(Classifier(GALALoss(4)), parts=2, max_epochs=1, keep=path)
    again = fit(Classifier(GALALoss(4)), parts=2, resume=path)
    assert torch.equal(again.criterion.theta, whole.criterion.theta)
    assert torch.equal(again.network.weight, whole.network.weight)


def test_losses_and_the_sampler_are_told_the_epoch():
    seen = []

    class Epochs(DeferredReweighting):
        def set_epoch(self, epoch):
            seen.append(epoch)

    sampler = ClassAwareSampler(LABELS)
    fit(Classifier(Epochs(torch.nn.CrossEntropyLoss(), COUNTS, start_epoch=2)), sampler=sampler)
    assert seen == [1, 2]
    assert sampler.epoch == 1


def test_a_step_that_failed_is_dropped():
    module = Classifier(GALALoss(4), fails_at=1)
    with pytest.raises(RuntimeError, match="no more"):
        fit(module, parts=4)
    assert module.criterion.theta.sum() == 0
    module.fails_at = None
    fit(module)
    assert module.criterion.theta.sum() > 0


def test_training_that_is_stopped_within_a_step_leaves_no_step_open():
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            trainer.should_stop = True

    module = fit(Classifier(GALALoss(4)), parts=4, callbacks=[LightningLosses(), Stop()])
    assert module.criterion.theta.sum() == 0
    module.train()
    module.criterion(module.network(INPUTS), LABELS)
    assert module.criterion.theta.sum() > 0


def test_a_module_without_a_loss_is_refused():
    with pytest.raises(ValueError, match="Classifier must hold a loss of longtail as an attribute"):
        fit(Classifier(torch.nn.CrossEntropyLoss()))


PROCESSES = """
import sys, torch
sys.path.insert(0, {folder!r})
from test_lightning import *

module = Classifier(GALALoss(4))
shared = {{"parts": 2, "accumulate_grad_batches": 1, "devices": 2, "strategy": "ddp"}}
fit(module, sampler=ClassAwareSampler(LABELS), use_distributed_sampler={wrapped}, **shared)
torch.save(module.criterion.theta, f"{out}/{{module.global_rank}}.pt")
"""


def two_processes(out, *, wrapped):
    script = out / "train.py"  # a file, since Lightning starts the second process by the same command
    script.write_text(PROCESSES.format(folder=str(Path(__file__).parent), out=out, wrapped=wrapped))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)


def test_two_processes_share_the_draws_of_one(tmp_path):
    run = two_processes(tmp_path, wrapped=False)
    assert run.returncode == 0, run.stderr
    alone = fit(Classifier(GALALoss(4)), sampler=ClassAwareSampler(LABELS)).criterion.theta
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), alone)


def test_draws_that_would_be_shared_twice_are_refused(tmp_path):
    run = two_processes(tmp_path, wrapped=True)
    assert "`use_distributed_sampler` of the Trainer must be False: ClassAwareSampler divides" in run.stderr
    assert not list(tmp_path.glob("*.pt"))
