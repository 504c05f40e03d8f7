"""The first stage on ImageNet-LT at full length: the loader alone, the step alone, and training, which needs both.

    python benchmarks/first_stage.py LISTS [--out FOLDER] [--steps 200] [--batch-size 16] [--workers 2]

LISTS holds the official lists and class counts, as for large_lists.py. The images are hard links to 32 generated JPEG
files of 500 x 375 pixels, so that decoding is that of photographs and reading is that of a warm cache. Training is
`longtail train imagenet-lt --loss ce --mixing mixup` (ResNet-50, 224 pixels, one thread), stopped after so many steps.
Loader and step are measured alone before and after it. Rates are images per second on the clock and of processor time,
which counts the workers.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longtail.data import Splits, load_splits
from longtail.data.ahead import BATCHES_AHEAD
from longtail.recipes import imagenet_lt
from longtail.runs import RunFolder
from longtail.training import Callback, OwnConfig, run_experiment
from longtail.training.hardware import make_fabric, resolve
from longtail.training.loop import TrainingLoop
from longtail.training.preparation import prepare

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

WARM = 3  # batches or steps before the clock starts: workers begin, caches fill
TICKS = os.sysconf("SC_CLK_TCK")


class Moment(NamedTuple):
    """Seconds: on the clock, of this process, and of its workers."""

    clock: float
    own: float
    workers: float


def now() -> Moment:
    return Moment(time.perf_counter(), time.process_time(), sum(map(_processor, multiprocessing.active_children())))


def _processor(process: Any) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Enough(Exception):  # noqa: N818 - it ends the run, and is no error
    """The steps that were asked for are done."""


class Steps(Callback):
    """Ends training after some steps, and keeps when they were done and how long they waited for data."""

    def __init__(self, steps: int) -> None:
        self.steps, self.waited, self.done = steps, 0.0, 0

    def on_step_end(self, step: Any) -> None:
        self.done += 1
        if self.done == WARM:
            self.first = now()
        elif self.done > WARM:
            self.waited += step.waited
        if self.done == WARM + self.steps:
            self.last = now()
            raise Enough


def loader(config: OwnConfig, splits: Splits, batches: int) -> tuple[Moment, Moment]:
    """The loader alone; the workers are as far ahead at the end as when the clock starts."""
    moments = {}
    for number, (images, _) in enumerate(_batches(config, splits, WARM + batches + BATCHES_AHEAD + 1), 1):
        assert images.shape == (config.batch_size, 3, config.size, config.size)
        moments[number] = now()
        if number == WARM + batches:
            break
    return moments[WARM], moments[WARM + batches]


def _batches(config: OwnConfig, splits: Splits, number: int) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(0))
    size = config.batch_size
    parts = [slice(size * i, size * (i + 1)) for i in range(number)]
    yield from splits.train.batches(
        order, parts, augment=None, generator=torch.Generator().manual_seed(0), each_once=True
    )


def step(config: OwnConfig, splits: Splits, steps: int, folder: Path) -> tuple[Moment, Moment]:
    """The step alone, on one batch again and again."""
    fabric = make_fabric(config)
    run = prepare(config, splits, fabric)
    kept = RunFolder.create(folder, config=config, seed=0)
    loop = TrainingLoop(fabric, run.config, run.epochs, run.state, kept, evaluate=dict, mix=run.mix)
    loop.model.train()
    images, target = next(_batches(config, splits, 1))
    assert run.mix is not None
    first = None
    for number in range(1, steps + WARM + 1):
        loop.step(*run.mix(images, target))
        if number == WARM:
            first = now()
    assert first is not None
    return first, now()


def training(config: OwnConfig, data: Path, steps: int, folder: Path) -> Steps:
    """Both, as `longtail train` runs them."""
    counted = Steps(steps)
    try:
        run_experiment(config, data=data, out=folder, callbacks=[counted], checkpoint_seconds=3600)
    except Enough:
        return counted
    raise RuntimeError("training ended before the steps were done")


def print_rate(what: str, images: int, first: Moment, last: Moment) -> dict[str, Any]:
    clock, own, workers = (b - a for a, b in zip(first, last, strict=True))
    found = {
        "what": what,
        "images": images,
        "images_a_second": images / clock,
        "images_a_processor_second": images / (own + workers),
        "processor_ms_per_image_of_this_process": 1000 * own / images,
        "processor_ms_per_image_of_workers": 1000 * workers / images,
    }
    print(json.dumps({k: round(v, 2) if isinstance(v, float) else v for k, v in found.items()}), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path)
    parser.add_argument("--out", type=Path, help="keep the files that are made in this folder, or use those in it")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(options, options.out or Path(temporary) / "imagenet-lt", Path(temporary))


def measure(options: argparse.Namespace, data: Path, runs: Path) -> None:
    from data.large_set_files import link_images, photograph, write_full_lists

    if not data.exists():
        lists = write_full_lists("imagenet-lt", options.lists, data)
        print(f"{link_images(lists, data, size=(500, 375), make=photograph):,} files", flush=True)
    settings = {"batch_size": options.batch_size, "workers": options.workers, "precision": options.precision}
    config = resolve(imagenet_lt(loss="ce", mixing="mixup", device="cpu", threads=1, **settings))
    print(f"batch {config.batch_size}, {config.precision}, workers {options.workers}", flush=True)
    splits = load_splits(config, data, torch.device("cpu"))
    size, half = config.batch_size, max(1, options.steps // 2)
    print_rate("loader alone", half * size, *loader(config, splits, half))
    print_rate("step alone", half // 4 * size, *step(config, splits, half // 4, runs / "before"))
    counted = training(config, data, options.steps, runs / "training")
    print_rate("training", options.steps * size, counted.first, counted.last)
    share = counted.waited / (counted.last.clock - counted.first.clock)
    print(f"share of the time that waits for data: {100 * share:.1f} %", flush=True)
    print_rate("step alone", half // 4 * size, *step(config, splits, half // 4, runs / "after"))
    print_rate("loader alone", half * size, *loader(config, splits, half))


if __name__ == "__main__":
    main()
