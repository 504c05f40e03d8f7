"""Steps of a second stage with GALA, with cross-entropy, and the matrix products alone, in turns; then a profile."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from gaussian_features import FEATURES

from longtail.data import load_splits
from longtail.recipes.second_stages import second_stage
from longtail.training.hardware import make_fabric, resolve
from longtail.training.preparation import prepare
from longtail.training.step import TrainingStep

Job = Callable[[int], None]
"""Does so many steps."""


def paired(first: Any, data: Path, shared: dict[str, Any], rounds: int = 8, steps: int = 5) -> dict[str, Any]:
    """Processor seconds of a step of GALA, of cross-entropy and of the matrix products alone; and a profile of GALA."""
    configs = {
        name: resolve(second_stage(first, "decoupled-gala", loss=name, epochs=1, **shared)) for name in ("gala", "ce")
    }
    fabric = make_fabric(configs["gala"])
    splits = load_splits(configs["gala"], data, fabric.device)
    size = configs["gala"].batch_size
    jobs = {name: training(config, splits, fabric, first) for name, config in configs.items()}
    jobs["products"] = products(size, len(splits.info.class_names))
    seconds = in_turns(jobs, rounds, steps)
    of_a_step = {name: statistics.median(own) for name, own in seconds.items()}
    ratios = [gala / ce for gala, ce in zip(seconds["gala"], seconds["ce"], strict=True)]
    return {
        "seconds of a step": {name: round(value, 4) for name, value in of_a_step.items()},
        "seconds of an epoch": {
            name: round(value * (len(splits.train) // size), 1) for name, value in of_a_step.items()
        },
        "step of GALA over its products": round(of_a_step["gala"] / of_a_step["products"], 3),
        "GALA over cross-entropy": round(of_a_step["gala"] / of_a_step["ce"], 3),
        "GALA over cross-entropy, by round": [round(ratio, 3) for ratio in ratios],
        "profile, ms of a step": profiled(jobs["gala"], steps),
    }


def training(config: Any, splits: Any, fabric: Any, first: Any) -> Job:
    """Steps of a second stage."""
    batches, step = prepared(config, splits, fabric, first)

    def some_steps(number: int) -> None:
        for _ in range(number):
            step(*next(batches))

    return some_steps


def products(batch_size: int, classes: int) -> Job:
    """The products of a linear classifier and of its gradient, in bfloat16."""
    inputs, gradient = torch.randn(batch_size, FEATURES).bfloat16(), torch.randn(batch_size, classes).bfloat16()
    weight = torch.randn(classes, FEATURES).bfloat16()

    def some_products(number: int) -> None:
        for _ in range(number):
            inputs @ weight.T
            gradient.T @ inputs

    return some_products


def in_turns(jobs: dict[str, Job], rounds: int, steps: int) -> dict[str, list[float]]:
    """Processor seconds of a step in each round, after one that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            before = time.process_time()
            job(steps)
            seconds[name].append((time.process_time() - before) / steps)
    return {name: own[1:] for name, own in seconds.items()}


def prepared(config: Any, splits: Any, fabric: Any, first: Any) -> tuple[Iterator[Any], Callable[..., object]]:
    """The batches and the step of a second stage."""
    run = prepare(config, splits, fabric, first_stage=first)
    model, optimizer = fabric.setup(run.state.model, run.state.optimizer)
    model.train()
    run.state.criterion.train()
    step = TrainingStep(fabric, config, run.state, model, optimizer, run.stage.after_step, needs_gradients=False)
    return run.epochs.batches(1), step


def profiled(job: Job, steps: int) -> dict[str, float]:
    """Milliseconds of a step by operator, the longest first."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        job(steps)
    events = sorted(profile.key_averages(), key=lambda event: -event.self_cpu_time_total)[:14]
    return {event.key: round(event.self_cpu_time_total / 1e3 / steps, 1) for event in events}
