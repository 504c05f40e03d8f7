"""What the losses cost beside cross-entropy on the device, by the project's benchmarks."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from on_gpu.job import Job

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    sys.path.insert(0, str(BENCHMARKS))  # here alone: its losses.py would hide tests/losses
    from peers import ratios

    from losses import SIZES, cost

    torch.set_num_threads(1)
    torch.manual_seed(0)
    shapes = [(16, 10)] if job.tiny else list(SIZES)
    seconds = 0.02 if job.tiny else 1.0

    def costs(kind: str) -> Iterator[tuple[str, Any]]:
        for shape in shapes:
            found = cost(shape, kind, seconds, job.device)
            ratio = {
                "gala_to_plain": found.gala / found.cross_entropy,
                "shift_to_plain": found.shift / found.cross_entropy,
            }
            yield f"{kind} {shape}", {**dataclasses.asdict(found), **ratio}

    yield from costs("eager")
    for shape in shapes:
        yield f"peers {shape}", ratios(*shape, 2 * seconds, job.device)
    yield from costs("soft")
    if not job.tiny:  # last, since compiling takes longest and may be cut off
        yield from costs("compiled")
