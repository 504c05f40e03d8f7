"""What augmenting one epoch of CIFAR100-LT costs, on whole batches and image by image with torchvision.

    python benchmarks/augmentation.py [--images 10847] [--threads 1] [--device cpu]

Random crop, flip, AutoAugment and Cutout of uint8 images: ours on batches of 2,048, torchvision's
on one tensor at a time, as a `Dataset` would. Both in this process, in turns; medians, microseconds an image.
With `--device cuda` ours works on the GPU, torchvision still on the CPU, where a `Dataset` would.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision import transforms as tv

from longtail.transforms import auto_augment, cutout, random_crop, random_flip

BATCH = 2048
TORCHVISION_IMAGES = 500


def ours(images: Tensor) -> None:
    generator = torch.Generator(images.device).manual_seed(0)
    for part in images.split(BATCH):
        cutout(auto_augment(random_flip(random_crop(part, 4, generator), generator), generator), 16, generator)


def cutout_one(image: Tensor) -> Tensor:
    return cutout(image[None])[0]


def torchvision_s(images: Tensor) -> None:
    steps = [tv.RandomCrop(32, 4), tv.RandomHorizontalFlip(), tv.AutoAugment(tv.AutoAugmentPolicy.CIFAR10)]
    pipeline = tv.Compose([*steps, cutout_one])
    for image in images:
        pipeline(image)


def microseconds(call: Callable[[Tensor], None], images: Tensor) -> float:
    start = time.perf_counter()
    call(images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / len(images) * 1e6


def compare(images: Tensor, device: str) -> tuple[float, float]:
    """Microseconds an image: ours on the device, torchvision on the CPU."""
    placed = images.to(device)
    ours(placed[:BATCH])
    pairs = [(microseconds(ours, placed), microseconds(torchvision_s, images[:TORCHVISION_IMAGES])) for _ in range(5)]
    whole, single = (statistics.median(times) for times in zip(*pairs, strict=True))
    return whole, single


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10_847, help="of one epoch (default 10847, imbalance 100)")
    parser.add_argument("--threads", type=int, default=1, help="default 1")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = torch.randint(0, 256, (options.images, 3, 32, 32), dtype=torch.uint8)
    whole, single = compare(images, options.device)
    print(
        f"{options.device}, {options.threads} thread(s): whole batches {whole:.1f} µs per image, torchvision "
        f"{single:.1f}, ratio {single / whole:.0f}; an epoch of {options.images:,} images "
        f"{whole * options.images / 1e6:.2f} s"
    )


if __name__ == "__main__":
    main()
