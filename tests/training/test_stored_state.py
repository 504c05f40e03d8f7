"""A checkpoint that is damaged is refused before a step uses it."""

import shutil

import pytest
import torch

from longtail.recipes import digits_lt
from longtail.runs import RunFolder
from longtail.training import run_experiment
from training.stopping import StopAfterOneEpoch

SETTINGS = {"loss": "ce", "epochs": 2, "device": "cpu", "precision": "float32", "threads": 1}


@pytest.fixture(scope="module", params=["sgd", "adamw"])
def stopped(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("stopped") / "run"
    config = digits_lt(**SETTINGS, optimizer=request.param)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(config, data=None, out=out, callbacks=[StopAfterOneEpoch()], checkpoint_seconds=0.0)
    return config, out


def moments(stored):
    """The state of the first parameter."""
    return stored["optimizer"]["state"][0]


def set_moment(stored, value):
    state = moments(stored)
    state["exp_avg" if "exp_avg" in state else "momentum_buffer"] = value


DAMAGE = {
    "epoch is text": lambda stored: stored.update(epoch="1"),
    "epoch is 0": lambda stored: stored.update(epoch=0),
    "epoch is beyond the last": lambda stored: stored.update(epoch=4),
    "epoch is missing": lambda stored: stored.pop("epoch"),
    "step is negative": lambda stored: stored.update(step=-1),
    "step is beyond the epoch": lambda stored: stored.update(step=10**6),
    "step is a tensor": lambda stored: stored.update(step=torch.zeros(3)),
    "seconds are infinite": lambda stored: stored.update(seconds=float("inf")),
    "notes are null": lambda stored: stored.update(notes=None),
    "notes are numbers": lambda stored: stored.update(notes=[1]),
    "callbacks are a list": lambda stored: stored.update(callbacks=[]),
    "total is a vector": lambda stored: stored.update(total=torch.zeros(2)),
    "weights of another network": lambda stored: stored.update(model={"weight": torch.zeros(2)}),
    "a moment of another shape": lambda stored: set_moment(stored, torch.zeros(3)),
    "a moment without end": lambda stored: set_moment(stored, torch.zeros(1).expand(2**40)),
    "a moment is text": lambda stored: set_moment(stored, "text"),
    "a moment more": lambda stored: moments(stored).update(more=torch.zeros(3)),
    "no groups": lambda stored: stored["optimizer"].update(param_groups=[]),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused(stopped, damage, tmp_path):
    config, out = stopped
    folder = RunFolder.open(shutil.copytree(out, tmp_path / "run"))
    stored = folder.load_checkpoint()
    DAMAGE[damage](stored)
    folder.save_checkpoint(stored)
    with pytest.raises(ValueError, match="must be of this run. It does not fit. Restore the file, or start a new run"):
        run_experiment(config, data=None, out=folder.path, resume=True)
    assert folder.result is None


@pytest.mark.slow
def test_options_of_the_optimizer_are_those_of_the_configuration(stopped, tmp_path):
    config, out = stopped
    results = []
    for name, options in (
        ("same", {}),
        ("other", {"weight_decay": "text", "momentum": None, "betas": None, "lr": [1]}),
    ):
        folder = RunFolder.open(shutil.copytree(out, tmp_path / name))
        stored = folder.load_checkpoint()
        for group in stored["optimizer"]["param_groups"]:
            group.update({key: value for key, value in options.items() if key in group})
        folder.save_checkpoint(stored)
        results.append(run_experiment(config, data=None, out=folder.path, resume=True).result["test"])
    assert results[0] == results[1]
