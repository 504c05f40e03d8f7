"""A second stage of the size of iNaturalist 2018: time, memory and accuracy on features that stay on disk.

    python benchmarks/large_second_stage.py COUNTS [--out FOLDER] [--epochs 3] [--batch-size 512] [--share 1.0]
        [--classes 8142] [--phases PHASE …]

COUNTS is a JSON file with the number of training images of each class (8,142 numbers). The features are a mixture of
Gaussians with these counts, 2,048 numbers in half precision for each sample, and three test samples of each class, in
one `.npz` file. Then, each in a process of its own:

    first    `longtail train features`, cross-entropy, one epoch
    second   `longtail retrain --method decoupled-gala`, so many epochs: GALA, class-aware draws
    resumed  that run, from its first checkpoint to its second in a new process, as after a kill: are they equal
    paired   blocks of steps of GALA, of cross-entropy and of the matrix products alone, in turn; then a profile
    one      the second stage in float32, so many epochs, in one process
    two      the same under torchrun in two processes, compared with `one`: weights, θ and seconds on the clock

Seconds are those of the processor, as the machine may be shared; those on the clock stand beside them. Memory is the
peak of the process with all its libraries. `--share 0.01` keeps that share of the samples of each class, for a trial,
`--classes 1000` the first 1,000 classes.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gaussian_features import FEATURES, write_features

PHASES = ("first", "second", "resumed", "paired", "one", "two")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path)
    parser.add_argument("--out", type=Path, help="keep features and runs in this folder, or use those in it")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--classes", type=int)
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES[:4]))
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        found = run_phase(options)
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(found))
        return
    out = options.out or Path(tempfile.mkdtemp())
    try:
        out.mkdir(exist_ok=True)
        counts = json.loads(options.counts.read_text())[: options.classes]
        write_features(np.array(counts), out / "features.npz", options.share)
        for phase in options.phases:
            print(phase, json.dumps(in_own_process(options, out, phase), indent=1), flush=True)
    finally:
        if options.out is None:
            shutil.rmtree(out)


def in_own_process(options: argparse.Namespace, out: Path, phase: str) -> Any:
    """What a phase measured."""
    given = ["--epochs", str(options.epochs), "--batch-size", str(options.batch_size)]
    launcher = [sys.executable, *(TORCHRUN if phase == "two" else ())]
    command = [*launcher, __file__, str(options.counts), "--out", str(out), *given, "--phase", phase]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run_phase(options: argparse.Namespace) -> dict[str, Any]:
    """A run, and what it took."""
    from longtail.recipes import features
    from longtail.recipes.second_stages import second_stage
    from longtail.runs import RunFolder
    from longtail.training import run_experiment

    data, out, phase = options.out / "features.npz", options.out, options.phase
    shared = {"batch_size": options.batch_size, "threads": 1, "precision": "bfloat16"}
    if phase == "first":
        plain = features(loss="ce", epochs=1, warmup_epochs=0, validation=0.0, learning_rate=0.05, **shared)
        return measured(lambda watch: run_experiment(plain, data=data, out=out / phase, callbacks=[watch]))
    first = RunFolder.open(out / "first")
    if phase == "paired":
        return paired(first, data, shared)
    precision = {"precision": "float32"} if phase in ("one", "two") else {}
    config = second_stage(first, "decoupled-gala", epochs=options.epochs, **(shared | precision))
    if phase == "resumed":
        return resumed(config, first, data, out)
    found = measured(
        lambda watch: run_experiment(
            config, data=data, out=out / phase, first_stage=first, callbacks=[watch], checkpoint_seconds=30
        )
    )
    if phase == "two":
        found |= differences(out / "two", out / "one")
    return found


def measured(run: Any) -> dict[str, Any]:
    """Seconds, memory and scores of a run."""
    from longtail.training import Callback

    class Watch(Callback):
        """Processor time and memory of the epochs."""

        def __init__(self) -> None:
            self.epochs: list[float] = []
            self.before: float | None = None

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


def paired(first: Any, data: Path, shared: dict[str, Any], rounds: int = 8, steps: int = 5) -> dict[str, Any]:
    """Processor seconds of a step of GALA, of cross-entropy and of the matrix products alone; and a profile of GALA."""
    import torch

    from longtail.data import load_splits
    from longtail.recipes.second_stages import second_stage
    from longtail.training.hardware import make_fabric, resolve

    configs = {
        name: resolve(second_stage(first, "decoupled-gala", loss=name, epochs=1, **shared)) for name in ("gala", "ce")
    }
    fabric = make_fabric(configs["gala"])
    splits = load_splits(configs["gala"], data, fabric.device)
    train = {name: prepared(config, splits, fabric, first) for name, config in configs.items()}
    classes, size = len(splits.info.class_names), configs["gala"].batch_size
    inputs, gradient = torch.randn(size, FEATURES).bfloat16(), torch.randn(size, classes).bfloat16()
    weight = torch.randn(classes, FEATURES).bfloat16()

    def products() -> None:
        for _ in range(steps):
            inputs @ weight.T
            gradient.T @ inputs

    def some_steps(name: str) -> None:
        batches, step = train[name]
        for _ in range(steps):
            step(*next(batches))

    jobs = {"gala": lambda: some_steps("gala"), "ce": lambda: some_steps("ce"), "products": products}
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            before = time.process_time()
            job()
            seconds[name].append((time.process_time() - before) / steps)
    of_a_step = {name: statistics.median(own[1:]) for name, own in seconds.items()}
    ratios = [gala / ce for gala, ce in zip(seconds["gala"][1:], seconds["ce"][1:], strict=True)]
    return {
        "seconds of a step": {name: round(value, 4) for name, value in of_a_step.items()},
        "seconds of an epoch": {
            name: round(value * (len(splits.train) // size), 1) for name, value in of_a_step.items()
        },
        "step of GALA over its products": round(of_a_step["gala"] / of_a_step["products"], 3),
        "GALA over cross-entropy": round(of_a_step["gala"] / of_a_step["ce"], 3),
        "GALA over cross-entropy, by round": [round(ratio, 3) for ratio in ratios],
        "profile, ms of a step": profiled(lambda: some_steps("gala"), steps),
    }


def prepared(config: Any, splits: Any, fabric: Any, first: Any) -> tuple[Iterator[Any], Callable[..., object]]:
    """The batches and the step of a second stage."""
    from longtail.training.preparation import prepare
    from longtail.training.step import TrainingStep

    run = prepare(config, splits, fabric, first_stage=first)
    model, optimizer = fabric.setup(run.state.model, run.state.optimizer)
    model.train()
    run.state.criterion.train()
    step = TrainingStep(fabric, config, run.state, model, optimizer, run.stage.after_step, needs_gradients=False)
    return run.epochs.batches(1), step


def profiled(job: Callable[[], object], steps: int) -> dict[str, float]:
    """Milliseconds of a step by operator, the longest first."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        job()
    events = sorted(profile.key_averages(), key=lambda event: -event.self_cpu_time_total)[:14]
    return {event.key: round(event.self_cpu_time_total / 1e3 / steps, 1) for event in events}


def keep_two_checkpoints(folder: Path) -> None:
    """Link the first and the second checkpoint of a run beside its folder; a later one does not change these files."""
    checkpoint, kept = folder / "checkpoint.pt", [folder.with_name(f"{folder.name}-{number}.pt") for number in (1, 2)]
    missing = [path for path in kept if not path.exists()]
    if missing and checkpoint.exists():
        before = kept[0] if missing[0] == kept[1] else None
        if before is None or not before.samefile(checkpoint):
            os.link(checkpoint, missing[0])


def resumed(config: Any, first: Any, data: Path, out: Path) -> dict[str, Any]:
    """Whether a new process that starts from the first checkpoint has the second one, bit by bit."""
    import torch

    from longtail.training import Callback, TrainingStopped, run_experiment

    begin, end = (torch.load(out / f"second-{number}.pt", weights_only=True) for number in (1, 2))

    class StopThere(Callback):
        """A signal, as from Ctrl-C, in the step of the second checkpoint; the loop then writes one."""

        def on_step_end(self, step: Any) -> None:
            if (step.epoch, step.step) == (end["epoch"], end["step"]):
                os.kill(os.getpid(), signal.SIGINT)

    folder = out / "resumed"
    folder.mkdir()
    for name in ("run.json", "data.json"):
        shutil.copy(out / "second" / name, folder)
    shutil.copy(out / "second-1.pt", folder / "checkpoint.pt")
    try:
        run_experiment(config, data=data, out=folder, first_stage=first, resume=True, callbacks=[StopThere()])
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
    import torch

    momenta = [[state["momentum_buffer"] for state in own["optimizer"]["state"].values()] for own in (one, other)]
    pairs = [
        *((one[group][name], other[group][name]) for group in ("model", "criterion") for name in one[group]),
        *zip(*momenta, strict=True),
        (one["total"], other["total"]),
    ]
    return all(torch.equal(*pair) for pair in pairs)


def differences(one: Path, other: Path) -> dict[str, float]:
    """Relative differences of weights and of the statistics of the loss, and the ratio of seconds on the clock."""
    from longtail.runs import RunFolder

    first, second = RunFolder.open(one), RunFolder.open(other)
    found, expected = first.load_weights(), second.load_weights()
    pairs = {
        name: (found[group][key].double(), expected[group][key].double())
        for group, key, name in (("model", "classifier.weight", "weights"), ("criterion", "theta", "theta"))
    }
    seconds = [sum(line["seconds"] for line in folder.metrics) for folder in (first, second)]
    return {
        **{f"difference of {name}": float((a - b).norm() / b.norm()) for name, (a, b) in pairs.items()},
        "largest relative difference of theta": float(
            ((pairs["theta"][0] - pairs["theta"][1]).abs() / pairs["theta"][1]).max()
        ),
        "seconds on the clock over those of one process": round(seconds[0] / seconds[1], 3),
    }


def peak_memory() -> float:
    """Of this process in GiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
