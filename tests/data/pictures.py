"""Image files for tests."""

import numpy as np
from PIL import Image


def save(path, seed=0, size=(16, 12), **options):
    """A file of coloured noise, in the format that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def fill(folder, counts, suffix=".png"):
    """Class folders with so many images each."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            save(folder / name / f"{index}{suffix}", seed=1000 * number + index)
    return folder
