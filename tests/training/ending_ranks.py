"""Ranks that end right after a collective, started by torchrun."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from torch import distributed as dist

from longtail.recipes import digits_lt
from longtail.training.hardware import make_fabric, resolve

if __name__ == "__main__":
    make_fabric(resolve(replace(digits_lt(), device="cpu", threads=1)))
    for _ in range(20):
        dist.all_reduce(torch.ones(1000))
