"""A second stage of the size of iNaturalist 2018: time, memory and accuracy on features that stay on disk.

    python benchmarks/large_second_stage.py COUNTS [--out FOLDER] [--epochs 3] [--batch-size 512] [--share 1.0]

COUNTS is a JSON file with the number of training images of each class (8,142 numbers). The features are a mixture of
Gaussians with these counts, 2,048 numbers in half precision for each sample, and three test samples of each class, in
one `.npz` file. Then, each in a process of its own:

    first    `longtail train features`, cross-entropy, one epoch
    second   `longtail retrain --method decoupled-gala`, so many epochs: GALA, class-aware draws
    whole    the same with one epoch
    killed   the same, killed in the middle of the epoch, resumed, and compared with `whole` bit by bit
    paired   blocks of steps of GALA, of cross-entropy and of the matrix products alone, in turn; then a profile

Seconds are those of the processor, as the machine may be shared; those on the clock stand beside them. Memory is the
peak of the process with all its libraries. `--share 0.01` keeps that share of the samples of each class, for a trial.
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
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, LATENT, NOISE, BLOCK = 2048, 128, 2.0, 8192
PHASES = ("first", "second", "whole", "killed", "paired")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path)
    parser.add_argument("--out", type=Path, help="keep features and runs in this folder, or use those in it")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        print(json.dumps({name: measure for name, measure in run_phase(options).items() if measure is not None}))
        return
    out = options.out or Path(tempfile.mkdtemp())
    try:
        out.mkdir(exist_ok=True)
        write_features(options.counts, out / "features.npz", options.share)
        for phase in options.phases:
            print(phase, json.dumps(in_own_process(options, out, phase), indent=1), flush=True)
    finally:
        if options.out is None:
            shutil.rmtree(out)


def in_own_process(options: argparse.Namespace, out: Path, phase: str) -> Any:
    """What a phase measured; the phase `killed` is started, killed once it is well under way, and started again."""
    given = ["--epochs", str(options.epochs), "--batch-size", str(options.batch_size)]
    command = [sys.executable, __file__, str(options.counts), "--out", str(out), *given, "--phase", phase]
    if phase == "killed":
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while not (out / "killed/checkpoint.pt").exists():
                time.sleep(0.5)
                assert process.poll() is None, process.stderr.read().decode()
            time.sleep(2)
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def write_features(counts: Path, path: Path, share: float) -> None:
    """Train and test features and labels in one `.npz` file, without ever holding them in memory."""
    if path.exists():
        return
    start, random = time.perf_counter(), np.random.default_rng(0)
    sizes = np.maximum(1, (np.array(json.loads(counts.read_text())) * share).astype(int))
    centres = random.standard_normal((len(sizes), LATENT), dtype=np.float32)
    projection = random.standard_normal((LATENT, FEATURES), dtype=np.float32) / LATENT**0.5
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w") as archive:
        for name, each in (("train", sizes), ("test", np.full(len(sizes), 3))):
            labels = random.permutation(np.repeat(np.arange(len(sizes)), each))
            with archive.open(f"{name}_features.npy", "w", force_zip64=True) as file:
                header = {"descr": "<f2", "fortran_order": False, "shape": (len(labels), FEATURES)}
                np.lib.format.write_array_header_1_0(file, header)
                for begin in range(0, len(labels), BLOCK):
                    own = labels[begin : begin + BLOCK]
                    latent = centres[own] + NOISE * random.standard_normal((len(own), LATENT), dtype=np.float32)
                    ambient = 0.1 * random.standard_normal((len(own), FEATURES), dtype=np.float32)
                    file.write(np.maximum(latent @ projection + ambient, 0).astype(np.float16).tobytes())
            with archive.open(f"{name}_labels.npy", "w") as file:
                np.lib.format.write_array(file, labels)
            print(f"{len(labels):,} {name} samples of {len(sizes):,} classes", flush=True)
    part.replace(path)
    print(f"features written in {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1e9:.2f} GB", flush=True)


def run_phase(options: argparse.Namespace) -> dict[str, Any]:
    """A run, and what it took."""
    from longtail.recipes import features
    from longtail.recipes.second_stages import second_stage
    from longtail.runs import RunFolder
    from longtail.training import run_experiment

    data, out, phase = options.out / "features.npz", options.out, options.phase
    shared = {"batch_size": options.batch_size, "threads": 1, "precision": "bfloat16"}
    if phase == "first":
        config = features(loss="ce", epochs=1, warmup_epochs=0, validation=0.0, learning_rate=0.05, **shared)
        return measured(lambda watch: run_experiment(config, data=data, out=out / phase, callbacks=[watch]))
    first = RunFolder.open(out / "first")
    if phase == "paired":
        return paired(first, data, shared)
    epochs = options.epochs if phase == "second" else 1
    config = second_stage(first, "decoupled-gala", epochs=epochs, **shared)
    found = measured(
        lambda watch: run_experiment(
            config, data=data, out=out / phase, first_stage=first, resume=phase == "killed", callbacks=[watch],
            checkpoint_seconds=60,
        )
    )  # fmt: skip
    if phase == "killed":
        found["same bits as the run that was not killed"] = same_bits(out / "killed", out / "whole")
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
            self.ready, self.memory = time.process_time(), peak_memory()
            self.since = time.process_time()

        def on_step_end(self, step: Any) -> None:
            self.now = time.process_time()

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
        "memory after imports, GB": base,
        "memory until the first step, GB": watch.memory,
        "memory, GB": peak_memory(),
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
    from longtail.training.preparation import prepare
    from longtail.training.step import TrainingStep

    configs = {
        name: resolve(second_stage(first, "decoupled-gala", loss=name, epochs=1, **shared)) for name in ("gala", "ce")
    }
    fabric = make_fabric(configs["gala"])
    splits = load_splits(configs["gala"], data, fabric.device)
    train = {}
    for name, config in configs.items():
        run = prepare(config, splits, fabric, first_stage=first)
        model, optimizer = fabric.setup(run.state.model, run.state.optimizer)
        model.train()
        run.state.criterion.train()
        step = TrainingStep(fabric, config, run.state, model, optimizer, run.stage.after_step, needs_gradients=False)
        train[name] = (run.epochs.batches(1), step)
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
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        some_steps("gala")
    events = sorted(profile.key_averages(), key=lambda event: -event.self_cpu_time_total)[:14]
    return {
        "seconds of a step": {name: round(value, 4) for name, value in of_a_step.items()},
        "seconds of an epoch": {
            name: round(value * (len(splits.train) // size), 1) for name, value in of_a_step.items()
        },
        "step of GALA over its products": round(of_a_step["gala"] / of_a_step["products"], 3),
        "GALA over cross-entropy": round(of_a_step["gala"] / of_a_step["ce"], 3),
        "GALA over cross-entropy, by round": [round(ratio, 3) for ratio in ratios],
        "profile, ms of a step": {
            event.key: round(event.self_cpu_time_total / 1e3 / steps, 1) for event in events
        },
    }  # fmt: skip


def same_bits(one: Path, other: Path) -> bool:
    """Whether weights, statistics of the loss and predictions of two runs are equal."""
    import torch

    from longtail.runs import RunFolder

    first, second = RunFolder.open(one), RunFolder.open(other)
    weights = [folder.load_weights() for folder in (first, second)]
    same = all(
        torch.equal(weights[0][group][name], weights[1][group][name])
        for group in ("model", "criterion")
        for name in weights[0][group]
    )
    predictions = [folder.load_predictions("test")[0] for folder in (first, second)]
    return same and np.array_equal(*predictions) and first.metrics[-1]["loss"] == second.metrics[-1]["loss"]


def peak_memory() -> float:
    """Of this process in GB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
