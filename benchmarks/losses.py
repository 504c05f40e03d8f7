"""What GALA costs on top of cross-entropy: forward and backward, float32, one CPU thread, measured in turns.

    python benchmarks/losses.py [--eager]

The two losses alternate call by call, so that a machine whose speed drifts slows both; each figure is a median.
`extra peak` is the memory that a forward and backward pass of GALA needs beyond that of cross-entropy, in units of one
N × C array, from the allocator's own record.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from longtail import GALALoss
from longtail.models import CifarResNet

SHAPES = {(128, 100): 2.0, (256, 1000): 1.4, (256, 8142): 1.15, (64, 100_000): 1.15}
COMPILED_GOAL = 1.05


def alternate(first: Callable[[], None], second: Callable[[], None], seconds: float) -> tuple[float, float]:
    for _ in range(5):
        first()
        second()
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 20:
        for call, record in zip((first, second), times, strict=True):
            start = time.perf_counter()
            call()
            record.append(time.perf_counter() - start)
    return sorted(times[0])[len(times[0]) // 2], sorted(times[1])[len(times[1]) // 2]


def training_call(criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Callable[[], None]:
    def call() -> None:
        logits.grad = None
        criterion(logits, target).backward()

    return call


def peak_bytes(call: Callable[[], None]) -> int:
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def compare(shape: tuple[int, int], goal: float, *, compiled: bool, seconds: float) -> float:
    samples, classes = shape
    logits = torch.randn(shape, requires_grad=True)
    target = torch.randint(0, classes, (samples,))
    gala: Callable[[Tensor, Tensor], Tensor] = GALALoss(classes)
    plain: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
    if compiled:
        torch._dynamo.reset()
        gala, plain = torch.compile(gala, fullgraph=True), torch.compile(plain, fullgraph=True)
    gala_call, plain_call = training_call(gala, logits, target), training_call(plain, logits, target)
    with_gala, without = alternate(gala_call, plain_call, seconds)
    extra = (peak_bytes(gala_call) - peak_bytes(plain_call)) / logits.nbytes
    ratio = with_gala / without
    verdict = "" if ratio <= goal else "   missed"
    print(
        f"{shape!s:14} {'compiled' if compiled else 'eager':9} {without * 1e6:9.0f} {with_gala * 1e6:9.0f} "
        f"{ratio:7.2f} {goal:6.2f} {extra:11.2f}{verdict}",
        flush=True,
    )
    return with_gala - without


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
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, 1 thread; microseconds of forward + backward")
    print(f"{'(N, C)':14} {'':9} {'CE':>9} {'GALA':>9} {'ratio':>7} {'goal':>6} {'extra peak':>11}")
    extra = {shape: compare(shape, goal, compiled=False, seconds=arguments.seconds) for shape, goal in SHAPES.items()}
    step = resnet_step()
    share = extra[128, 100] / step
    print(f"GALA's extra at (128, 100) is {share:.3%} of a ResNet-32 step of batch 128 ({step * 1e3:.0f} ms), goal 1 %")
    if not arguments.eager:
        for shape in SHAPES:
            compare(shape, COMPILED_GOAL, compiled=True, seconds=arguments.seconds)


if __name__ == "__main__":
    main()
