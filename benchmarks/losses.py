"""What GALA costs on top of cross-entropy: forward and backward, float32, one CPU thread, measured in turns.

    python benchmarks/losses.py [--eager] [--seconds 5]

The losses alternate call by call, so that a machine whose speed drifts slows all; each figure is a median. `shift` is
F.cross_entropy(logits + bias): the one addition that any adjusted logits need, without which no loss of this kind can
do. `extra peak` is what a forward and backward pass of GALA holds at most beyond cross-entropy, in N × C arrays, from
the allocator's own record. Rows named `soft` have probabilities as targets (mixup), are eager and have no goal. The
allocator is told to keep the memory that it has (as it does in a real training process, whose heap is never trimmed),
or the figures would be those of page faults.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

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


def medians_in_turns(calls: list[Callable[[], None]], seconds: float) -> list[float]:
    times: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 25:
        for call, record in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
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
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def compare(shape: tuple[int, int], goal: float, kind: str, seconds: float) -> float:
    samples, classes = shape
    logits, bias = torch.randn(shape, requires_grad=True), torch.randn(classes)
    target = torch.rand(shape).softmax(1) if kind == "soft" else torch.randint(0, classes, (samples,))
    losses: list[Loss] = [F.cross_entropy, lambda z, y: F.cross_entropy(z + bias, y), GALALoss(classes)]
    if kind == "compiled":
        torch._dynamo.reset()
        losses = [torch.compile(loss, fullgraph=True) for loss in losses]
    calls = [training_call(loss, logits, target) for loss in losses]
    plain, shift, gala = medians_in_turns(calls, seconds)
    extra = (peak_bytes(calls[2], logits) - peak_bytes(calls[0], logits)) / logits.nbytes
    print(
        f"{shape!s:14} {kind:9}"
        f"{plain * 1e6:9.0f} {shift * 1e6:9.0f} {gala * 1e6:9.0f}{shift / plain:9.2f} {gala / plain:7.2f}"
        f" {goal:6.2f} {extra:11.2f}{'' if gala / plain <= goal else '   missed'}",
        flush=True,
    )
    return gala - plain


def resnet_step() -> float:
    model = CifarResNet(depth=32, num_classes=100)
    images, target = torch.randn(128, 3, 32, 32), torch.randint(0, 100, (128,))
    times = []
    for _ in range(4):
        start = time.perf_counter()
        F.cross_entropy(model(images), target).backward()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--eager", action="store_true", help="leave the compiled runs out")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured for each row (default 5)")
    options = parser.parse_args()
    if not os.environ.keys() >= KEEP_MEMORY.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**KEEP_MEMORY, **os.environ})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, 1 thread; microseconds of forward + backward, then ratios to CE")
    print(
        f"{'(N, C)':14} {'':9}{'CE':>9} {'shift':>9} {'GALA':>9}{'shift':>9} {'GALA':>7} {'goal':>6} {'extra peak':>11}"
    )
    extra = {s: compare(s, goal, "eager", options.seconds) for s, goal in EAGER_GOALS.items()}
    step = resnet_step()
    share = extra[128, 100] / step
    print(f"GALA's extra at (128, 100) is {share:.3%} of a ResNet-32 step of batch 128 ({step * 1e3:.0f} ms), goal 1 %")
    for shape in [] if options.eager else EAGER_GOALS:
        compare(shape, COMPILED_GOAL, "compiled", options.seconds)
    for shape in EAGER_GOALS:
        compare(shape, float("inf"), "soft", options.seconds)


if __name__ == "__main__":
    main()
