"""What GALA costs on top of cross-entropy: forward and backward, float32, one CPU thread or a GPU, measured in turns.

    python benchmarks/losses.py [--eager] [--seconds 5] [--device cpu]

The losses alternate call by call, so that a machine whose speed drifts slows all; each figure is a median. `shift` is
F.cross_entropy(logits + bias): the one addition that any adjusted logits need, without which no loss of this kind can
do. `extra peak` is what a forward and backward pass of GALA holds at most beyond cross-entropy, in N × C arrays, from
the allocator's own record. Rows named `soft` have probabilities as targets (mixup), are eager and have no goal. The
allocator is told to keep the memory that it has (as it does in a real training process, whose heap is never trimmed),
or the figures would be those of page faults. On a GPU each call is timed until the device has finished it.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from longtail import GALALoss
from longtail.models import CifarResNet

Loss = Callable[[Tensor, Tensor], Tensor]
EAGER_GOALS = {(128, 100): 2.0, (256, 1000): 1.4, (256, 8142): 1.15, (64, 100_000): 1.15}
COMPILED_GOAL = 1.05
KEEP_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_"), str(2**30))


def medians_in_turns(calls: list[Callable[[], None]], seconds: float, device: str = "cpu") -> list[float]:
    """Seconds of each call; on a GPU until the device has finished it."""
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    times: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 25:
        for call, record in zip(calls, times, strict=True):
            finish()
            start = time.perf_counter()
            call()
            finish()
            record.append(time.perf_counter() - start)
    return [sorted(record[5:])[len(record[5:]) // 2] for record in times]


def training_call(loss: Loss, logits: Tensor, target: Tensor) -> Callable[[], None]:
    def call() -> None:
        logits.grad = None
        loss(logits, target).backward()

    return call


def peak_bytes(call: Callable[[], None], logits: Tensor) -> int:
    call()
    logits.grad = None
    if logits.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@dataclass(frozen=True)
class Cost:
    """Seconds of forward and backward, and what GALA holds beyond cross-entropy at its peak, in N × C arrays."""

    plain: float
    shift: float
    gala: float
    extra_peak: float


def cost(shape: tuple[int, int], kind: str, seconds: float, device: str = "cpu") -> Cost:
    """Measure one shape; `kind` is "eager", "compiled" or "soft"."""
    samples, classes = shape
    logits, bias = torch.randn(shape, device=device, requires_grad=True), torch.randn(classes, device=device)
    if kind == "soft":
        target = torch.rand(shape, device=device).softmax(1)
    else:
        target = torch.randint(0, classes, (samples,), device=device)
    losses: list[Loss] = [F.cross_entropy, lambda z, y: F.cross_entropy(z + bias, y), GALALoss(classes).to(device)]
    if kind == "compiled":
        torch._dynamo.reset()
        losses = [torch.compile(loss, fullgraph=True) for loss in losses]
    calls = [training_call(loss, logits, target) for loss in losses]
    times = medians_in_turns(calls, seconds, device)
    return Cost(*times, (peak_bytes(calls[2], logits) - peak_bytes(calls[0], logits)) / logits.nbytes)


def show(shape: tuple[int, int], kind: str, goal: float, found: Cost) -> None:
    ratio = found.gala / found.plain
    print(
        f"{shape!s:14} {kind:9}"
        f"{found.plain * 1e6:9.0f} {found.shift * 1e6:9.0f} {found.gala * 1e6:9.0f}"
        f"{found.shift / found.plain:9.2f} {ratio:7.2f}"
        f" {goal:6.2f} {found.extra_peak:11.2f}{'' if ratio <= goal else '   missed'}",
        flush=True,
    )


def resnet_step(device: str) -> float:
    model = CifarResNet(depth=32, num_classes=100).to(device)
    images = torch.randn(128, 3, 32, 32, device=device)
    target = torch.randint(0, 100, (128,), device=device)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        F.cross_entropy(model(images), target).backward()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--eager", action="store_true", help="leave the compiled runs out")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured for each row (default 5)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    options = parser.parse_args()
    if not os.environ.keys() >= KEEP_MEMORY.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**KEEP_MEMORY, **os.environ})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {place(options.device)}; microseconds of forward + backward, then ratios to CE")
    print(
        f"{'(N, C)':14} {'':9}{'CE':>9} {'shift':>9} {'GALA':>9}{'shift':>9} {'GALA':>7} {'goal':>6} {'extra peak':>11}"
    )
    eager = {}
    for shape, goal in EAGER_GOALS.items():
        eager[shape] = cost(shape, "eager", options.seconds, options.device)
        show(shape, "eager", goal, eager[shape])
    extra, step = eager[128, 100].gala - eager[128, 100].plain, resnet_step(options.device)
    share = extra / step
    print(f"GALA's extra at (128, 100) is {share:.3%} of a ResNet-32 step of batch 128 ({step * 1e3:.0f} ms), goal 1 %")
    for kind, goal in [*([] if options.eager else [("compiled", COMPILED_GOAL)]), ("soft", float("inf"))]:
        for shape in EAGER_GOALS:
            show(shape, kind, goal, cost(shape, kind, options.seconds, options.device))


def place(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "1 thread"


if __name__ == "__main__":
    main()
