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
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gaussian_features import write_features

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
    """What a phase measured, in this process."""
    from measured_run import measured
    from paired_steps import paired
    from two_checkpoints import resumed

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


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
