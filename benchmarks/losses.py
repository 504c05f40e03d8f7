"""What GALA costs beside cross-entropy: forward and backward, one CPU thread or a GPU, measured in turns.

    python benchmarks/losses.py [--eager] [--seconds 5] [--device cpu]

Each loss is measured in turns with cross-entropy, call by call: a machine whose speed drifts slows both, and neither
finds the caches full of what a third has left. Before each call the logits are written, as the layer before them does.
Times are those of the processor, as medians; a ratio is the median over the rounds of the ratio within a round, `wall`
that of the wall clock. `shift` is F.cross_entropy(logits + bias): the one addition that adjusted logits need, unless a
kernel is fused. `plain` is GALA with `fused=False`. `peak` is what a forward and backward pass of GALA holds at most
beyond the logits, in arrays of their size, their gradient included, from the allocator's own record. Rows named `soft`
have probabilities as targets (mixup). The allocator is set to keep its memory (as it does in a real
training process, whose heap is never trimmed), or the figures would be those of page faults. On a GPU each call is
timed until the device is done, and class indices take the kernel there, which `fused="auto"` leaves out.
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
SIZES = ((128, 100), (256, 1000), (256, 8142), (64, 100_000))
GOALS = {
    "eager": (1.8, 0.95, 0.5, 0.4),
    "bfloat16": (None, None, 0.6, None),
    "soft": (None, 1.2, None, None),
    "compiled": (1.15, 1.0, 1.0, 1.0),
}
PEAK_GOAL = 1.1
KEEP_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_"), str(2**30))


def rounds_in_turns(
    calls: list[Callable[[], None]],
    seconds: float,
    device: str = "cpu",
    *,
    prepare: Callable[[], None] = lambda: None,
    fewest: int = 25,
    warm_up: int = 5,
) -> tuple[Tensor, Tensor]:
    """Processor and wall seconds of each call in each round (R, calls); on a GPU until the device has finished it.

    `prepare` runs before each call and is not timed. There are at least `fewest` rounds, of which the first `warm_up`
    are not returned.
    """
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    rounds: list[list[tuple[float, float]]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rounds) < fewest:
        record = []
        for call in calls:
            prepare()
            finish()
            start = time.thread_time(), time.perf_counter()
            call()
            finish()
            record.append((time.thread_time() - start[0], time.perf_counter() - start[1]))
        rounds.append(record)
    processor, wall = torch.tensor(rounds[warm_up:], dtype=torch.float64).unbind(2)
    return (wall if device == "cuda" else processor), wall


def training_call(loss: Loss, logits: Tensor, target: Tensor) -> Callable[[], None]:
    def call() -> None:
        logits.grad = None
        loss(logits, target).backward()

    return call


def writing(logits: Tensor) -> Callable[[], None]:
    """A call that writes logits once more, as the layer before them does in each step, and drops their gradient."""
    source = logits.detach().clone()

    def write() -> None:
        logits.grad = None
        with torch.no_grad():
            logits.copy_(source)

    return write


def peak_bytes(call: Callable[[], None], *inputs: Tensor) -> int:
    """What a call holds at most, the gradients of the inputs included."""
    call()
    for each in inputs:
        each.grad = None
    if inputs[0].is_cuda:
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
    """Processor seconds of forward and backward, ratios to cross-entropy, and GALA's peak beyond the logits."""

    cross_entropy: float
    shift: float
    plain: float
    gala: float
    plain_ratio: float
    ratio: float
    wall_ratio: float
    peak: float


def cost(shape: tuple[int, int], kind: str, seconds: float, device: str = "cpu") -> Cost:
    """Measure one shape; `kind` is "eager", "bfloat16", "soft" or "compiled"."""
    samples, classes = shape
    dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
    logits, bias = torch.randn(shape, device=device).to(dtype).requires_grad_(), torch.randn(classes, device=device)
    fused = True if device == "cuda" and kind in ("eager", "bfloat16") else "auto"
    if kind == "soft":
        target = torch.rand(shape, device=device).softmax(1)
    else:
        target = torch.randint(0, classes, (samples,), device=device)
    shift: Loss = lambda z, y: F.cross_entropy(z + bias, y)  # noqa: E731
    plain, gala = (GALALoss(classes, fused=way).to(device) for way in (False, fused))
    pairs = []
    for loss in (shift, plain, gala):
        if kind == "compiled":
            torch._dynamo.reset()
        calls = [
            training_call(inside_a_graph(each) if kind == "compiled" else each, logits, target)
            for each in (F.cross_entropy, loss)
        ]
        pairs.append(rounds_in_turns(calls, seconds / 3, device, prepare=writing(logits)))
    (_, shifted), (_, plain_time), (cross_entropy, fused_time) = (times.median(0).values.tolist() for times, _ in pairs)
    plain_ratio, ratio, wall_ratio = map(ratio_of, (pairs[1][0], *pairs[2]))
    peak = peak_bytes(calls[1], logits) / logits.nbytes
    return Cost(cross_entropy, shifted, plain_time, fused_time, plain_ratio, ratio, wall_ratio, peak)


def inside_a_graph(loss: Loss) -> Loss:
    """The loss as part of a compiled step, so that no way pays for a compiled module of its own."""
    return torch.compile(lambda logits, target: loss(logits, target), fullgraph=True)


def ratio_of(times: Tensor) -> float:
    """Of the second call (R, 2) to the first."""
    return (times[:, 1] / times[:, 0]).median().item()


def show(shape: tuple[int, int], kind: str, goal: float | None, found: Cost) -> None:
    met = goal is None or found.ratio <= goal
    print(
        f"{shape!s:14} {kind:9}"
        f"{found.cross_entropy * 1e6:9.0f} {found.shift * 1e6:9.0f} {found.plain * 1e6:9.0f} {found.gala * 1e6:9.0f}"
        f"{found.plain_ratio:9.2f} {found.ratio:7.2f} {found.wall_ratio:7.2f} {goal or '':>6} {found.peak:7.2f}"
        f"{'' if met else '   missed'}",
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
        f"{'(N, C)':14} {'':9}{'CE':>9} {'shift':>9} {'plain':>9} {'GALA':>9}"
        f"{'plain':>9} {'GALA':>7} {'wall':>7} {'goal':>6} {'peak':>7}"
    )
    for kind, goals in GOALS.items():
        if kind == "compiled" and options.eager:
            continue
        for shape, goal in zip(SIZES, goals, strict=True):
            found = cost(shape, kind, options.seconds, options.device)
            show(shape, kind, goal, found)
            if (shape, kind) == (SIZES[0], "eager"):
                extra, step = found.gala - found.cross_entropy, resnet_step(options.device)
                print(f"  the difference is {extra / step:.3%} of a ResNet-32 step of batch 128 ({step * 1e3:.0f} ms)")


def place(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "1 thread"


if __name__ == "__main__":
    main()
