"""Made-up images of CIFAR's shape whose classes differ in colour, for trying the script."""

from pathlib import Path

import numpy as np
import torch

from longtail.data.built_in.cifar import Cifar
from packed_images import write_pack

CLASSES, PER_CLASS, TEST_PER_CLASS = 10, 20, 5


def write_tiny_pack(path: Path) -> Path:
    random = torch.Generator().manual_seed(0)
    train, test = _images(PER_CLASS, random), _images(TEST_PER_CLASS, random)
    write_pack(Cifar(*train, *test), np.arange(CLASSES * PER_CLASS), path)
    return path


def _images(per_class: int, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.arange(CLASSES).repeat(per_class)
    colours = torch.stack([target * 25, 250 - target * 25, target % 3 * 100], dim=1)
    noise = 40 * torch.randn(len(target), 3, 32, 32, generator=random)
    return (colours[:, :, None, None] + noise).clamp(0, 255).to(torch.uint8), target
