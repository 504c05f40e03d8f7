"""Decoders of JPEG files beside ours: from a file to a training crop, and to the image that evaluation sees.

    python benchmarks/decoders.py [--rounds 5] [--images 64]

Photographs of 500 x 375 pixels. Ours decodes with Pillow, at a half, a quarter or an eighth of the size where the crop
allows it (draft mode); what is decoded whole is decoded by simplejpeg (libjpeg-turbo), if it is installed, and resized
by PyTorch. All take turns in one process with one thread, on the same crops; times are those of the processor, and a
ratio is the other's time over that of ours without simplejpeg, the median over pairs and their range.
"""

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.io import decode_jpeg, read_file

from longtail.data.images import jpeg_crop
from longtail.data.images.decoding import Box, decode_crop
from longtail.data.images.file_augmentation import SCALE, SCALES, _random_box, seed_generators

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

Crop = Callable[[Path, Box, int], object]
SHAPE = (500, 375)


def ours(path: Path, box: Box, size: int) -> object:
    find, jpeg_crop._simplejpeg = jpeg_crop._simplejpeg, lambda: None  # type: ignore[assignment]
    try:
        return ours_with_simplejpeg(path, box, size)
    finally:
        jpeg_crop._simplejpeg = find


def ours_with_simplejpeg(path: Path, box: Box, size: int) -> object:
    return decode_crop(path, lambda *_: box, size, "bilinear")


def pillow_reduced(path: Path, box: Box, size: int) -> object:
    """Draft mode, and all resizing by Pillow: what we did before."""
    with Image.open(path) as image:
        reduction = min(box[2:]) / size
        if reduction > 1:
            image.draft(None, (int(image.width / reduction), int(image.height / reduction)))
        scale = image.width / SHAPE[0]
        return _resized_by_pillow(image.convert("RGB"), tuple(side * scale for side in box), size)


def pillow_whole(path: Path, box: Box, size: int) -> object:
    return _resized_by_pillow(Image.open(path).convert("RGB"), box, size)


def torchvision_io(path: Path, box: Box, size: int) -> object:
    """Deprecated since torchvision 0.29."""
    left, top, width, height = box
    part = decode_jpeg(read_file(str(path)))[None, :, top : top + height, left : left + width]
    return F.interpolate(part, (size, size), mode="bilinear", antialias=True)


def simplejpeg_reduced(path: Path, box: Box, size: int) -> object:
    """Decoded at a reduced size where the crop allows it, and resized by Pillow."""
    import simplejpeg

    reduction = min(box[2:]) / size
    least = {} if reduction < 1 else {"min_width": int(SHAPE[0] / reduction), "min_height": int(SHAPE[1] / reduction)}
    pixels = simplejpeg.decode_jpeg(path.read_bytes(), "RGB", min_factor=1, **least)
    scale = pixels.shape[1] / SHAPE[0]
    return _resized_by_pillow(Image.fromarray(pixels), tuple(side * scale for side in box), size)


def _resized_by_pillow(image: Image.Image, box: tuple[float, ...], size: int) -> object:
    left, top, width, height = box
    edges = (left, top, left + width, top + height)
    return np.array(image.resize((size, size), Image.Resampling.BILINEAR, box=edges, reducing_gap=3.0))


def boxes(scale: tuple[float, float], number: int) -> list[Box]:
    seed_generators(0)
    return [_random_box(scale, *SHAPE) for _ in range(number)]


def seconds(crop: Crop, files: list[Path], chosen: list[Box], size: int) -> float:
    start = time.process_time()
    for path, box in zip(files, chosen, strict=True):
        crop(path, box, size)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)
    from data.large_set_files import photograph

    sides: dict[str, Crop] = {
        "ours": ours,
        "Pillow, reduced": pillow_reduced,
        "Pillow, whole": pillow_whole,
        "torchvision.io": torchvision_io,
    }
    if importlib.util.find_spec("simplejpeg"):
        sides |= {"ours with simplejpeg": ours_with_simplejpeg, "simplejpeg, reduced": simplejpeg_reduced}
    with tempfile.TemporaryDirectory() as folder:
        files = [photograph(Path(folder) / f"{number}.jpg", number, SHAPE) for number in range(options.images)]
        for size in (128, 224):
            for scale in (SCALE, SCALES["imagenet"]):
                compare(sides, partial(seconds, files=files, chosen=boxes(scale, len(files)), size=size), options)
                print(f"  (crops of {scale[0]:.0%} of the area or more, {size} px)", flush=True)


def compare(sides: dict[str, Crop], measure: Callable[[Crop], float], options: argparse.Namespace) -> None:
    took: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(options.rounds + 1):
        for name, crop in sides.items():
            elapsed = measure(crop)
            if number:  # the first round warms up
                took[name].append(elapsed)
    for name, values in took.items():
        ratios = [theirs / own for theirs, own in zip(values, took["ours"], strict=True)]
        rate = options.images / statistics.median(values)
        range_of = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name}: {rate:.0f} images/s, {statistics.median(ratios):.2f} times our time ({range_of})")


if __name__ == "__main__":
    main()
