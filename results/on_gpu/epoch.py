"""An epoch of the recipe by the project's own loop, eager and compiled, and what its augmentation takes."""

import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from longtail.data.built_in.cifar import Cifar
from longtail.training import Callback, Plan, run_experiment
from on_gpu.batches import epochs_of
from on_gpu.job import Job

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
EPOCHS = 4  # the first warms up, the last ends with the evaluation


class EpochClock(Callback):
    """The seconds of each epoch, until the device has finished it."""

    def on_train_start(self, plan: Plan) -> None:
        self.images = plan.samples
        self.seconds: list[float] = []
        self.begun = time.perf_counter()

    def on_epoch_end(self, metrics: Mapping[str, Any]) -> None:
        _finish()
        now = time.perf_counter()
        self.seconds.append(now - self.begun)
        self.begun = now


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    cifar = job.cifar()
    yield "eager", _epoch(job, cifar, "off")
    yield "loader", _loader(job, cifar)
    yield "augmentation_microseconds", _augmentation(job)
    yield "compiled", _epoch(job, cifar, "on")


def _epoch(job: Job, cifar: Cifar, compiled: str) -> dict[str, Any]:
    clock = EpochClock()
    out = Path(job.work) / f"epoch-compile-{compiled}"
    run_experiment(job.config(epochs=EPOCHS, compile=compiled), data=cifar, out=out, callbacks=[clock])
    seconds = statistics.median(clock.seconds[1:-1])
    return {"first_epoch": clock.seconds[0], "seconds": seconds, "images_per_second": clock.images / seconds}


def _loader(job: Job, cifar: Cifar) -> dict[str, float]:
    """Seconds of the batches of an epoch, augmented and normalised, that nothing is trained on."""
    epochs = epochs_of(job.config(), cifar, job.device)
    seconds = []
    for epoch in range(1, 5):
        _finish()
        start = time.perf_counter()
        for _ in epochs.batches(epoch):
            pass
        _finish()
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds[1:]), "images": len(epochs.data)}


def _augmentation(job: Job) -> dict[str, float]:
    sys.path.insert(0, str(BENCHMARKS))
    from augmentation import compare

    images = torch.randint(0, 256, (100 if job.tiny else 10_847, 3, 32, 32), dtype=torch.uint8)
    whole, single = compare(images, job.device)
    return {"ours": whole, "torchvision_on_one_core": single}


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
