"""How many runs at once a GPU should be given: images per second of all, for 1, 2, 4 and 8 of them.

All processes start together and wait for each other; then they take part in rounds of a few seconds, the first in
all, the second from the second round on, and so on. Each runs the project's own loop on the recipe.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from longtail.training import Callback, Plan, Step, run_experiment
from on_gpu.job import Job

RUNS, SECONDS = (1, 2, 4, 8), 3.0
TINY_RUNS, TINY_SECONDS = (1, 2), 0.5
NEARLY = 0.95  # of the best speed is enough for fewer runs, of which each ends sooner
STARTING_SECONDS = 60
_barrier: Any = None


class RoundsOverError(Exception):
    """The last round is over."""


class Rounds(Callback):
    """Counts the images of each round from `first` on; the GPU lags at most a few launches behind the counts."""

    def __init__(self, first: int, number: int, seconds: float) -> None:
        self.first, self.seconds = first, seconds
        self.images = [0] * number
        self.begun: float | None = None

    def on_train_start(self, plan: Plan) -> None:
        self.warming_up = 2 + plan.steps // 10

    def on_step_end(self, step: Step) -> None:
        if self.begun is None:
            self.warming_up -= 1
            if not self.warming_up:
                self._begin()
            return
        current = int((time.monotonic() - self.begun) / self.seconds)
        if current >= len(self.images):
            raise RoundsOverError
        self.images[current] += len(step.logits)

    def _begin(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        _barrier.wait(STARTING_SECONDS)
        self.begun = time.monotonic()
        time.sleep(self.first * self.seconds)


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    runs, seconds = (TINY_RUNS, TINY_SECONDS) if job.tiny else (RUNS, SECONDS)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(runs[-1])
    with ProcessPoolExecutor(runs[-1], context, _share_barrier, (barrier,)) as pool:
        work = [pool.submit(_images, job, number, runs, seconds) for number in range(runs[-1])]
        images = [future.result() for future in work]
    speeds = {number: sum(of_round) / seconds for number, of_round in zip(runs, zip(*images, strict=True), strict=True)}
    yield "images_per_second", speeds
    yield "jobs", fewest_nearly_best(speeds)


def fewest_nearly_best(speeds: Mapping[int, float]) -> int:
    """The smallest number of runs at once whose speed, that of all together, is nearly the best."""
    return min(number for number, speed in speeds.items() if speed >= NEARLY * max(speeds.values()))


def _share_barrier(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _images(job: Job, number: int, runs: tuple[int, ...], seconds: float) -> list[int]:
    """The images that one of the processes trains on in each round."""
    first = next(place for place, together in enumerate(runs) if number < together)
    rounds = Rounds(first, len(runs), seconds)
    config = job.config(epochs=100_000, seed=number, threads=1)
    out = Path(job.work) / "at-once" / str(number)
    with contextlib.suppress(RoundsOverError):
        run_experiment(config, data=job.cifar(), out=out, checkpoint_seconds=float("inf"), callbacks=[rounds])
    return rounds.images
