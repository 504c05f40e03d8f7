"""Whether a killed run that is resumed ends as one that was not, bit for bit."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from longtail.runs import RunFolder
from longtail.training import Callback, Plan, Step, TrainingConfig, run_experiment
from on_gpu.job import Job

SETS = ("train", "augmented", "test")


class KillInTheSecondEpoch(Callback):
    """kill -9 after half of its steps, once there is a checkpoint."""

    def on_train_start(self, plan: Plan) -> None:
        self.checkpoint, self.half = plan.folder / "checkpoint.pt", plan.steps // 2

    def on_step_end(self, step: Step) -> None:
        if step.epoch == 2 and step.step >= self.half and self.checkpoint.exists():
            os.kill(os.getpid(), signal.SIGKILL)


class Beginning(Callback):
    """Where this process began."""

    def on_train_start(self, plan: Plan) -> None:
        self.place = {"epoch": plan.first_epoch, "steps_done": plan.first_step}


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    whole, cut, again = (Path(job.work) / "resume" / name for name in ("whole", "cut", "again"))
    victim = multiprocessing.get_context("spawn").Process(target=_train_until_killed, args=(job, cut))
    victim.start()
    cifar = job.cifar()
    run_experiment(_config(job), data=cifar, out=whole)
    victim.join()
    killed = victim.exitcode == -signal.SIGKILL
    yield "killed", killed
    beginning = Beginning()
    run_experiment(_config(job), data=cifar, out=cut, resume=True, callbacks=[beginning])
    yield "resumed_at", beginning.place
    same = {name: _same(whole, cut, name) for name in SETS}
    yield "same_logits", same
    resumed = beginning.place != {"epoch": 1, "steps_done": 0}
    yield "passed", killed and resumed and all(same.values())
    run_experiment(_config(job), data=cifar, out=again)
    yield "same_logits_of_a_second_whole_run", {name: _same(whole, again, name) for name in SETS}


def _config(job: Job) -> TrainingConfig:
    return job.config(epochs=2)


def _train_until_killed(job: Job, out: Path) -> None:
    seconds = 0.0 if job.tiny else 0.25
    callbacks = [KillInTheSecondEpoch()]
    run_experiment(_config(job), data=job.cifar(), out=out, checkpoint_seconds=seconds, callbacks=callbacks)


def _same(whole: Path, cut: Path, name: str) -> bool:
    ours, theirs = (RunFolder.open(path).load_predictions(name)[0] for path in (cut, whole))
    return bool(np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)))
