"""Augmentation of photographs by the workers beside that of whole batches: milliseconds of processor time per image.

    python benchmarks/augment_on.py [--rounds 5] [--images 64] [--size 224] [--device cpu]

`--augment-on workers` decodes and augments each file; `--augment-on device` decodes it to 8/7 of the size and augments
the batch, here on the CPU or, with `--device cuda`, on a GPU, where the time is that on the clock. All take turns in
one process with one thread, which also does the decoding.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from longtail.data.images.device_augmentation import POLICIES, DeviceAugmentation
from longtail.data.images.file_augmentation import CentreSquare, TrainingImage
from longtail.data.images.to_device import to_device
from longtail.data.images.workers import Draw, draw_batches

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def decoded(draw: Draw, files: list[Path]) -> torch.Tensor:
    """(N, 3, size, size) uint8, as the workers make them."""
    drawn = next(draw_batches(draw, [[(str(file), seed) for seed, file in enumerate(files)]], 0))
    return torch.from_numpy(drawn.images).permute(0, 3, 1, 2)


def compare(augment: str, files: list[Path], options: argparse.Namespace) -> None:
    device, on_device = torch.device(options.device), DeviceAugmentation(augment, options.size)
    square = CentreSquare(on_device.source_size, "bilinear")
    by_workers = TrainingImage(augment, options.size, options.size, "bilinear")
    images, draws = to_device(decoded(square, files), device), on_device.draw(len(files), 0)
    sides: dict[str, Callable[[], object]] = {
        "workers": lambda: decoded(by_workers, files),
        "device: decoding": lambda: decoded(square, files),
        "device: batch": lambda: on_device(images, draws),
    }
    took: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(options.rounds + 1):
        for name, work in sides.items():
            elapsed = milliseconds(work, len(files), device)
            if number:  # the first round warms up
                took[name].append(elapsed)
    figures = ", ".join(f"{name} {statistics.median(values):.2f} ms" for name, values in took.items())
    print(f"{augment}, {options.size} px: {figures}", flush=True)


def milliseconds(work: Callable[[], object], images: int, device: torch.device) -> float:
    now = time.perf_counter if device.type == "cuda" else time.process_time
    start = now()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (now() - start) / images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    from data.large_set_files import photograph

    with tempfile.TemporaryDirectory() as folder:
        files = [photograph(Path(folder) / f"{number}.jpg", number, (500, 375)) for number in range(options.images)]
        for augment in POLICIES:
            compare(augment, files, options)


if __name__ == "__main__":
    main()
