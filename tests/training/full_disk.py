"""Runs on a file system that is filled at a moment: `full_disk.py DISK OUT`, DISK being a small one of its own.

For each moment: train until the disk is full, print the error and what lies in the run folder, make room, resume, and
move the run to OUT.
"""

import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from longtail.recipes import digits_lt
from longtail.training import Callback, run_experiment

CONFIG = digits_lt(epochs=2, threads=1, device="cpu", evaluate_every=1)
PAGE = 4096


class FillDisk(Callback):
    """Fills the disk after some steps, or at the end of training, up to some bytes."""

    def __init__(self, disk: Path, *, steps: int | None = None, left: int = 0) -> None:
        self.filler, self.steps, self.left, self.done = disk / "filler", steps, left, 0

    def on_step_end(self, step: object) -> None:
        self.done += 1
        if self.done == self.steps:
            self.fill()

    def on_train_end(self) -> None:
        if self.steps is None:
            self.fill()

    def fill(self) -> None:
        free = os.statvfs(self.filler.parent)
        with self.filler.open("wb") as file:
            file.write(bytes(max(0, free.f_bavail * free.f_frsize - self.left)))


def pages(*files: Path) -> int:
    return sum(-(-file.stat().st_size // PAGE) * PAGE for file in files)


def main(disk: Path, out: Path) -> None:
    whole = run_experiment(CONFIG, data=None, out=out / "whole").path
    written_at_the_end = [*sorted(whole.glob("predictions-*.npz")), whole / "weights.pt"]
    moments = {
        "checkpoint": FillDisk(disk, steps=5),
        "metrics": FillDisk(disk, steps=11),
        "predictions": FillDisk(disk, left=PAGE),
        "weights": FillDisk(disk, left=pages(*written_at_the_end) - PAGE),
        "result": FillDisk(disk, left=pages(*written_at_the_end)),
    }
    for name, fill in moments.items():
        run = disk / "run"
        try:
            seconds = 3600 if name == "metrics" else 0
            run_experiment(CONFIG, data=None, out=run, callbacks=[fill], checkpoint_seconds=seconds)
            error = "none"
        except OSError as failure:
            error = str(failure)
        print(json.dumps({"moment": name, "error": error, "files": sorted(file.name for file in run.iterdir())}))
        fill.filler.unlink()
        run_experiment(CONFIG, data=None, out=run, resume=True)
        shutil.move(run, out / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
