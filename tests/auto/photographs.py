"""Small photographs of three classes that differ in colour."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red deer": (200, 40, 40), "green frog": (40, 180, 40), "blue, whale": (40, 60, 200)}
COUNTS = {"red deer": 40, "green frog": 20, "blue, whale": 10}
SETTINGS = {"model": "resnet8-cifar", "pretrained": False, "size": 16, "mean": (0.5,) * 3, "std": (0.25,) * 3}
OPTIONS = [
    *("--model", "resnet8-cifar", "--no-pretrained", "--size", "16", "--mean", "0.5", "0.5", "0.5"),
    *("--std", "0.25", "0.25", "0.25", "--batch-size", "16", "--epochs", "5", "--threads", "1", "--device", "cpu"),
]


def write_photographs(folder: Path, counts: dict[str, int] | None = None, seed: int = 0) -> Path:
    """One folder per class, whose images are noise around its colour, of several sizes and formats."""
    random = np.random.default_rng(seed)
    for name, number in (counts or COUNTS).items():
        (folder / name).mkdir(parents=True)
        for index in range(number):
            shape = (int(random.integers(16, 40)), int(random.integers(16, 40)), 3)
            pixels = np.clip(np.array(COLOURS[name]) + random.normal(0, 25, shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.{'png' if index % 2 else 'jpg'}")
    return folder
