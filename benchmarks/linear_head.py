"""What `criterion.linear` costs beside the logits formed at once: time and memory of a step, one CPU thread or a GPU.

    python benchmarks/linear_head.py [--rounds 3] [--device cpu]

Forward and backward of GALA for a classifier with a bias; gradients of features, weight and bias. The ways alternate
call by call; times are those of the processor, medians over the rounds, and a ratio is the median of the ratios within
a round (on a GPU by the wall clock, until the device is done). `logits` is criterion(F.linear(features, weight, bias),
target); `plain` has `fused=False`. `torch` is F.linear_cross_entropy in chunks of its own choice, or of as many
rows as ours: cross-entropy without statistics, where PyTorch has it. `peak` is what a step holds at most beyond the
head (features, weight, bias) and its gradients, from the allocator's own record, in MB (10⁶ bytes). The allocator is
set to keep its memory, as in benchmarks/losses.py.
"""

import argparse
import os
import sys
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail import GALALoss
from longtail.losses.linear_head import rows_of_chunk
from losses import KEEP_MEMORY, peak_bytes, place, rounds_in_turns

SIZES = ((1024, 512, 100_000), (1024, 512, 10_000), (4096, 256, 30_000))
GOAL_TIME, GOAL_PEAK = 1.5, 1 / 8  # of `logits`, at the first size
Head = tuple[Tensor, Tensor, Tensor]


def ways(classes: int, head: Head, target: Tensor) -> dict[str, Callable[[], Tensor]]:
    """The loss by each way; the first is what the others are compared with."""
    fused, plain = (GALALoss(classes, fused=each).to(target.device) for each in ("auto", False))
    found: dict[str, Callable[[], Tensor]] = {
        "logits": lambda: fused(F.linear(*head), target),
        "logits, plain": lambda: plain(F.linear(*head), target),
        "linear": lambda: fused.linear(*head, target),
        "linear, plain": lambda: plain.linear(*head, target),
    }
    if hasattr(F, "linear_cross_entropy"):
        rows = rows_of_chunk(len(target), classes, target.device.type)
        found["torch, auto"] = by_torch(head, target, torch.nn.LinearCrossEntropyOptions())
        found["torch, our rows"] = by_torch(head, target, torch.nn.LinearCrossEntropyOptions(batch_chunk_size=rows))
    return found


def by_torch(head: Head, target: Tensor, options: "torch.nn.LinearCrossEntropyOptions") -> Callable[[], Tensor]:
    features, weight, bias = head
    return lambda: F.linear_cross_entropy(features, weight, target, linear_bias=bias, options=options)


def step(loss: Callable[[], Tensor], head: Head) -> Callable[[], None]:
    def call() -> None:
        for each in head:
            each.grad = None
        loss().backward()

    return call


def measure(size: tuple[int, int, int], rounds: int, device: str) -> None:
    samples, width, classes = size
    generator = torch.Generator().manual_seed(0)
    shapes = ((samples, width), (classes, width), (classes,))
    features, weight, bias = (
        (torch.randn(shape, generator=generator) * scale).to(device).requires_grad_()
        for shape, scale in zip(shapes, (1.0, width**-0.5, 0.1), strict=True)
    )
    head = (features, weight, bias)
    target = torch.randint(0, classes, (samples,), generator=generator).to(device)
    named = ways(classes, head, target)
    calls = [step(loss, head) for loss in named.values()]
    times = rounds_in_turns(calls, 0, device, fewest=rounds + 1, warm_up=1)[0]
    peaks = [peak_bytes(call, *head) - sum(each.nbytes for each in head) for call in calls]
    for i, name in enumerate(named):
        ratio, share = (times[:, i] / times[:, 0]).median().item(), peaks[i] / peaks[0]
        held = size != SIZES[0] or name != "linear" or (ratio <= GOAL_TIME and share <= GOAL_PEAK)
        print(
            f"{size!s:20} {name:15} {times[:, i].median().item():8.3f} {ratio:6.2f} {peaks[i] / 1e6:9.1f} {share:7.3f}"
            f"{'' if held else '   missed'}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="measured after one that is not counted (default 3)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    options = parser.parse_args()
    if not os.environ.keys() >= KEEP_MEMORY.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**KEEP_MEMORY, **os.environ})
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {place(options.device)}; seconds of forward + backward; peak in MB")
    print(f"{'(N, D, C)':20} {'':15} {'time':>8} {'ratio':>6} {'peak':>9} {'share':>7}")
    for size in SIZES:
        measure(size, options.rounds, options.device)
    print(f"goals at {SIZES[0]}: ratio of linear at most {GOAL_TIME}, share at most {GOAL_PEAK}")


if __name__ == "__main__":
    main()
