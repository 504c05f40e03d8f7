"""What each loss costs beside cross-entropy: forward and backward, float32, eager, measured in turns.

    python benchmarks/peers.py [--seconds 15] [--device cpu]

Each loss is measured in turns with `F.cross_entropy`, call by call, on logits that are written before each call; a
figure is the median of the ratios. Those that only shift or scale logits have a goal. On one CPU thread or a GPU. About
a minute; with `--compiled`, both inside a step of `torch.compile`, a few minutes.
"""

import argparse
import os
import sys

import torch
from torch.nn import functional as F

from longtail.losses.catalogue import LOSSES, make_loss
from losses import KEEP_MEMORY, Loss, inside_a_graph, place, ratio_of, rounds_in_turns, training_call, writing

SIZES = ((128, 100), (256, 1000), (256, 8142), (64, 100_000))
GOAL = 1.25
ONLY_SHIFT_OR_SCALE = ("balanced-softmax", "logit-adjustment", "vs", "ldam")


def ratios(
    samples: int, classes: int, seconds: float, device: str = "cpu", *, compiled: bool = False
) -> dict[str, float]:
    """Time of each loss over that of `F.cross_entropy`, on a tail like iNaturalist's."""
    logits = torch.randn(samples, classes, device=device, requires_grad=True)
    target = torch.randint(0, classes, (samples,), device=device)
    counts = (1000 / torch.arange(1, classes + 1)).clamp(min=2).long()
    prepare, found = writing(logits), {}
    for name in LOSSES:
        losses: list[Loss] = [F.cross_entropy, make_loss(name, counts).to(device)]
        if compiled:
            torch._dynamo.reset()  # a cache of graphs holds eight
            losses = list(map(inside_a_graph, losses))
        calls = [training_call(loss, logits, target) for loss in losses]
        found[name] = ratio_of(rounds_in_turns(calls, seconds / len(LOSSES), device, prepare=prepare)[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="measured for each size (default 15)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    parser.add_argument("--compiled", action="store_true", help="inside torch.compile, in the place of eager")
    options = parser.parse_args()
    if not os.environ.keys() >= KEEP_MEMORY.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**KEEP_MEMORY, **os.environ})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = {size: ratios(*size, options.seconds, options.device, compiled=options.compiled) for size in SIZES}
    way = "compiled" if options.compiled else "eager"
    print(f"torch {torch.__version__}, {place(options.device)}, {way}; forward + backward, ratio to cross-entropy\n")
    print(f"| loss | {' | '.join(map(str, SIZES))} | goal |\n|---|{'---:|' * len(SIZES)}---:|")
    for name in LOSSES:
        values = [table[size][name] for size in SIZES]
        goal = "" if name not in ONLY_SHIFT_OR_SCALE else f"{GOAL}{'' if max(values) <= GOAL else ', missed'}"
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} | {goal} |")


if __name__ == "__main__":
    main()
