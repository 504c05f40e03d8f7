"""What each of two processes does: `slow_rank.py DATA OUT`: a run, and one in which the second process is slow."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from data.large_set_files import tiny_facts
from longtail.data.large_sets import LARGE_SETS
from longtail.recipes import imagenet_lt
from longtail.training import Callback, run_experiment

SETTINGS = {
    "model": "resnet8-cifar",
    "size": 16,
    "batch_size": 8,
    "device": "cpu",
    "threads": 1,
    "precision": "float32",
}


class Slow(Callback):
    """Sleeps so many seconds after each step of the second process."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_step_end(self, step: object) -> None:
        if torch.distributed.get_rank() == 1:
            time.sleep(self.seconds)


if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    LARGE_SETS["imagenet-lt"] = tiny_facts("imagenet-lt", data)
    for name, seconds in (("even", 0.0), ("slow", 0.3)):
        run_experiment(imagenet_lt(epochs=2, **SETTINGS), data=data, out=out / name, callbacks=[Slow(seconds)])
