"""A run, and what it took: seconds of its process, memory, and the scores that it ended with."""

import resource
import time
from collections.abc import Callable
from typing import Any

from two_checkpoints import keep_two_checkpoints

from longtail.runs import RunFolder
from longtail.training import Callback


class Watch(Callback):
    """Processor time and memory of the epochs; keeps the first two checkpoints."""

    def __init__(self) -> None:
        self.epochs: list[float] = []

    def on_train_start(self, plan: Any) -> None:
        self.folder = plan.folder
        self.ready, self.memory = time.process_time(), peak_memory()
        self.since = time.process_time()

    def on_step_end(self, step: Any) -> None:
        self.now = time.process_time()
        keep_two_checkpoints(self.folder)

    def on_epoch_end(self, metrics: Any) -> None:
        self.epochs.append(self.now - self.since)
        self.since = time.process_time()


def measured(run: Callable[[Watch], RunFolder]) -> dict[str, Any]:
    """Seconds, memory and scores of a run, which takes the callback that watches it."""
    watch, start = Watch(), time.perf_counter()
    base = peak_memory()
    folder = run(watch)
    scores = {name: value for name, value in folder.result["test"]["raw"].items() if value is not None}
    return {
        "until the first step, s": round(watch.ready, 1),
        "epochs, s": [round(seconds, 1) for seconds in watch.epochs],
        "epochs on the clock, s": [line["seconds"] for line in folder.metrics],
        "all, s": round(time.process_time(), 1),
        "all on the clock, s": round(time.perf_counter() - start, 1),
        "memory after imports, GiB": base,
        "memory until the first step, GiB": watch.memory,
        "memory, GiB": peak_memory(),
        "loss": [round(line["loss"], 4) for line in folder.metrics],
        "test": {name: round(100 * value, 2) for name, value in scores.items()},
        "notes": folder.result["notes"],
    }


def peak_memory() -> float:
    """Of this process in GiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
