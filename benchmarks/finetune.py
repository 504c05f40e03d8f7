"""Fine-tuning beside timm's own loader and loop: files to the network's input, a step, memory of a long list.

    python benchmarks/finetune.py [--rounds 5] [--images 256]

Writes photographs of 500 x 375 pixels (smooth noise, JPEG quality 90). Everything takes turns in one process with one
thread, and each side decodes in that process. Times are those of the processor. A ratio is timm's time over ours, the
median over pairs that were measured one after the other, and their range; of timm's two loaders (with and without its
prefetcher) the faster counts. Transforms are the same: random resized crop (0.35 to 1 of the area), flip,
normalisation.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from streams import own_memory
from timm.data import create_loader
from timm.data.dataset import ImageDataset
from torch.nn import functional as F

from longtail.data import Samples, StreamedImages, image_loader
from longtail.data.images.file_augmentation import RATIO, SCALE, TrainingImage
from longtail.data.images.training_images import TrainingImages
from longtail.data.own import source_of
from longtail.losses.catalogue import make_loss
from longtail.models import make_network
from longtail.recipes import finetune
from longtail.training.fine_tuning import layer_numbers, parameter_groups
from longtail.training.hardware import make_fabric, resolve
from longtail.training.optimizer import make_optimizer
from longtail.training.state import TrainingState
from longtail.training.step import TrainingStep

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CLASSES, BATCH = 8, 32
MEAN = STD = (0.5, 0.5, 0.5)


def write_photographs(folder: Path, images: int) -> Samples:
    from data.large_set_files import photograph

    files = [f"{index % CLASSES}/{index}.jpg" for index in range(images)]
    for index, file in enumerate(files):
        photograph(folder / file, index, (500, 375))
    target = np.arange(images) % CLASSES
    return Samples(target, tuple(map(str, range(CLASSES))), files=tuple(files), root=folder)


def ours(samples: Samples, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    target = torch.from_numpy(samples.target)
    plain = StreamedImages(image_loader(samples, size), target, MEAN, STD, torch.channels_last)
    split = TrainingImages(plain, TrainingImage("light", size, size), source_of(samples), size)
    parts = [slice(start, start + BATCH) for start in range(0, len(samples), BATCH)]
    order = torch.randperm(len(samples))
    return split.batches(order, parts, augment=None, generator=torch.Generator(), each_once=True)


def timms(samples: Samples, size: int, *, prefetcher: bool) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    loader = create_loader(
        ImageDataset(str(samples.root)),
        (3, size, size),
        BATCH,
        is_training=True,
        no_aug=False,
        scale=SCALE,
        ratio=RATIO,
        hflip=0.5,
        color_jitter=None,
        interpolation="bicubic",
        mean=MEAN,
        std=STD,
        num_workers=0,
        use_prefetcher=prefetcher,
        device=torch.device("cpu"),
        persistent_workers=False,
    )
    for images, target in loader:
        yield images.contiguous(memory_format=torch.channels_last), target


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def taken_in_turns(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            elapsed = seconds(work)
            if number:  # the first round warms up
                took[name].append(elapsed)
    return took


def say(what: str, took: dict[str, list[float]], images: int) -> None:
    others = {name: values for name, values in took.items() if name != "ours"}
    fastest = min(others, key=lambda name: statistics.median(others[name]))
    ratios = [theirs / own for theirs, own in zip(others[fastest], took["ours"], strict=True)]
    rates = {name: images / statistics.median(values) for name, values in took.items()}
    figures = ", ".join(f"{name} {rate:.0f} images/s" for name, rate in rates.items())
    print(
        f"{what}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times; {figures}", flush=True
    )


def files_to_input(samples: Samples, size: int, rounds: int) -> None:
    def consume(batches: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> None:
        for _ in batches:
            pass

    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: consume(ours(samples, size)),
        "timm": lambda: consume(timms(samples, size, prefetcher=False)),
        "timm, prefetcher": lambda: consume(timms(samples, size, prefetcher=True)),
    }
    say(f"files to input, {size} px", taken_in_turns(sides, rounds), len(samples))


def step(rounds: int, size: int = 128) -> None:
    """A step of our loop with GALA, and of timm's training script with cross-entropy, in both memory formats."""
    config = resolve(finetune(clip_norm=None, device="cpu", precision="float32", threads=1))
    fabric = make_fabric(config)
    network = make_network(config.model, CLASSES, size=size).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(config, parameter_groups(network, layer_numbers(network), config), scaled=False)
    state = TrainingState(network, make_loss("gala", torch.ones(CLASSES)), optimizer)
    model, wrapped = fabric.setup(network.train(), optimizer)
    own = TrainingStep(fabric, config, state, model, wrapped, lambda: None, needs_gradients=False)

    images, target = torch.randn(BATCH, 3, size, size), torch.arange(BATCH) % CLASSES
    last = images.contiguous(memory_format=torch.channels_last)
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: own(last, target),
        "timm": _their_step(config.model, images, target),
        "timm, channels-last": _their_step(config.model, last, target),
    }
    say(f"a step, {size} px, batch {BATCH}", taken_in_turns(sides, rounds), BATCH)


def _their_step(name: str, images: torch.Tensor, target: torch.Tensor) -> Callable[[], object]:
    layout = torch.contiguous_format if images.is_contiguous() else torch.channels_last
    model = timm.create_model(name, num_classes=CLASSES).to(memory_format=layout).train()
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=5e-4, weight_decay=0.05)

    def take() -> None:
        F.cross_entropy(model(images), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return take


def memory(samples: Samples, number: int = 115_846) -> None:
    """Of a list of so many files, the same ones again and again, and of streaming a hundred batches of them."""
    assert samples.files is not None
    before = own_memory()
    files = tuple(f"{samples.files[i % len(samples)]}{'' if i < len(samples) else ' '}".strip() for i in range(number))
    many = Samples(np.arange(number) % CLASSES, samples.class_names, files=files, root=samples.root)
    listed = own_memory()
    for count, _ in enumerate(ours(many, 128)):
        if count == 100:
            break
    print(f"memory: {before} MiB, with {number:,} files {listed} MiB, after 100 batches {own_memory()} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        samples = write_photographs(Path(folder), options.images)
        for size in (128, 224):
            files_to_input(samples, size, options.rounds)
        step(options.rounds)
        memory(samples)


if __name__ == "__main__":
    main()
