"""The first two checkpoints of a run: whether a new process that starts from the first one arrives at the second."""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from longtail.training import Callback, TrainingStopped, run_experiment


def keep_two_checkpoints(folder: Path) -> None:
    """Link the first and the second checkpoint of a run beside its folder; a later one does not change these files."""
    checkpoint, kept = folder / "checkpoint.pt", [folder.with_name(f"{folder.name}-{number}.pt") for number in (1, 2)]
    missing = [path for path in kept if not path.exists()]
    if missing and checkpoint.exists():
        before = kept[0] if missing[0] == kept[1] else None
        if before is None or not before.samefile(checkpoint):
            os.link(checkpoint, missing[0])


class StopAt(Callback):
    """A signal, as from Ctrl-C, in the step of a checkpoint; the loop then writes one."""

    def __init__(self, checkpoint: dict[str, Any]) -> None:
        self.epoch, self.step = checkpoint["epoch"], checkpoint["step"]

    def on_step_end(self, step: Any) -> None:
        if (step.epoch, step.step) == (self.epoch, self.step):
            os.kill(os.getpid(), signal.SIGINT)


def resumed(config: Any, first: Any, data: Path, out: Path) -> dict[str, Any]:
    """Whether a new process that starts from the first checkpoint has the second one, bit by bit."""
    begin, end = (torch.load(out / f"second-{number}.pt", weights_only=True) for number in (1, 2))
    folder = out / "resumed"
    folder.mkdir()
    for name in ("run.json", "data.json"):
        shutil.copy(out / "second" / name, folder)
    shutil.copy(out / "second-1.pt", folder / "checkpoint.pt")
    try:
        run_experiment(config, data=data, out=folder, first_stage=first, resume=True, callbacks=[StopAt(end)])
    except TrainingStopped as stopped:
        print(stopped, file=sys.stderr)
    again = torch.load(folder / "checkpoint.pt", weights_only=True)
    return {
        "from step": begin["step"],
        "to step": end["step"],
        "model, loss and optimizer are equal bit by bit": equal(again, end),
        "the first checkpoint is another state": not equal(again, begin),
    }


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two checkpoints hold the same weights, statistics, momenta and sum of losses."""
    momenta = [[state["momentum_buffer"] for state in own["optimizer"]["state"].values()] for own in (one, other)]
    pairs = [
        *((one[group][name], other[group][name]) for group in ("model", "criterion") for name in one[group]),
        *zip(*momenta, strict=True),
        (one["total"], other["total"]),
    ]
    return all(torch.equal(*pair) for pair in pairs)
