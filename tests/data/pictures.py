"""Images for tests."""

import io

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


def picture(red, size=(8, 6)):
    """The bytes of a PNG file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, (red, 0, 0)).save(file, "PNG")
    return file.getvalue()


def reds(samples):
    """The red of the first pixel of each image: which `picture` it is."""
    return [samples.items[row][0].getpixel((0, 0))[0] for row in range(len(samples))]
