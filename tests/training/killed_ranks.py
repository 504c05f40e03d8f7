"""A process of a run that goes wrong: `killed_ranks.py DATA OUT FAULT`, started by torchrun.

It types `longtail train finetune … --resume`; the fault comes after the fourth step, or in the evaluation after the
last one, and not again after a restart.
"""

import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from torch import nn

from longtail.cli import main
from longtail.training.evaluation import Evaluation
from longtail.training.step import TrainingStep
from training.tiny import replaced

RANK = int(os.environ.get("RANK", "0"))
OPTIONS = [
    *("--model", "resnet8-cifar", "--no-pretrained", "--size", "16", "--batch-size", "8", "--epochs", "3"),
    *("--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.25", "0.25", "--device", "cpu", "--threads", "1"),
    *("--precision", "float32", "--micro-batch-size", "2", "--checkpoint-seconds", "0"),
]
DECODING = {  # workers, where their end matters: each process that has some needs seconds to start them
    "killed": ["--workers", "1"],
    "stuck": ["--workers", "1"],
    "worker": ["--workers", "1", "--batch-size", "2"],  # so small that workers have not decoded the epoch by then
}
STEP = 4


def fail(fault: str) -> None:
    """What goes wrong in this process."""
    if fault in ("killed", "stuck") and RANK == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "stuck":  # as in a collective of NCCL, which neither an error nor a signal ends
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        time.sleep(600)
    elif fault == "full-disk" and RANK == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def after_steps(fault: str) -> None:
    """Let the fault come after a step; a slow process is slow in each, a worker dies in each."""
    update, done = TrainingStep._update, 0

    def updated(self: TrainingStep) -> None:
        nonlocal done
        update(self)
        done += 1
        if fault == "slow" and RANK == 1:
            time.sleep(0.2)
        if fault == "worker" and RANK == 1:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)
        if done == STEP:
            fail(fault)

    TrainingStep._update = updated


def evaluate_without_memory(self: Evaluation, model: nn.Module) -> dict[str, float]:
    """The evaluation of a process whose memory runs out."""
    raise MemoryError


if __name__ == "__main__":
    data, out, fault = sys.argv[1:]
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        if fault == "evaluation" and RANK == 1:
            Evaluation.during_training = evaluate_without_memory
        after_steps(fault)
    options = replaced(OPTIONS, DECODING.get(fault, ["--workers", "0"]))
    recorded = ["--record-gradients"] if fault in ("slow", "killed", "evaluation") else []
    sys.exit(main(["train", "finetune", "--data", data, "--out", out, "--resume", *options, *recorded]))
