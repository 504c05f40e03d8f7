"""One epoch of CIFAR100-LT: our loop beside a plain one, the share of augmentation, and two seeds at once.

    python benchmarks/training.py [--epochs 1] [--profile]

Imbalance 100 (10,847 images of noise: the time does not depend on what they show, and no data are needed), ResNet-32,
batch 64, crop, flip, AutoAugment, Cutout, cross-entropy. The plain loop is what one writes first: float32, contiguous
memory, a `DataLoader` with two workers and torchvision's transforms image by image. Both run in this process, in turns;
about two minutes on two cores.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as tv

from longtail.data import ResidentImages, long_tailed_counts
from longtail.models import CifarResNet, make_network
from longtail.recipes import cifar100_lt
from longtail.runs import RunFolder
from longtail.training import TrainingConfig
from longtail.training.epochs import Epochs, augmentation
from longtail.training.evaluation import Scorer, predict_logits, scores_during_training
from longtail.training.hardware import make_fabric, resolve
from longtail.training.loop import TrainingLoop
from longtail.training.state import TrainingState

COUNTS = long_tailed_counts(100, 500, 100)


def data() -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.arange(100).repeat_interleave(torch.from_numpy(COUNTS))
    return torch.randint(0, 256, (len(target), 3, 32, 32), dtype=torch.uint8), target


def ours(config: TrainingConfig, images: torch.Tensor, target: torch.Tensor) -> tuple[TrainingLoop, Epochs]:
    fabric = make_fabric(config)
    small = ResidentImages(images, target, config.mean, config.std, torch.channels_last)
    epochs = Epochs(small, augmentation(config.augmentations, 3), config.batch_size, config.seed)
    model = make_network(config.model, 100).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, fused=True)
    folder = RunFolder.create(Path(tempfile.mkdtemp()) / "run", config=config, seed=0)
    state = TrainingState(model, nn.CrossEntropyLoss(), optimizer)
    return TrainingLoop(fabric, config, epochs, state, folder, evaluate=dict), epochs


def seconds_of_our_epoch(images: torch.Tensor, target: torch.Tensor) -> tuple[float, float, TrainingConfig]:
    """An epoch, and what augmentation and normalisation alone take of it."""
    config = resolve(cifar100_lt(loss="ce", epochs=1))
    loop, epochs = ours(config, images, target)
    start = time.perf_counter()
    for _ in epochs.batches(1):
        pass
    augmenting = time.perf_counter() - start
    start = time.perf_counter()
    loop.run()
    return time.perf_counter() - start, augmenting, config


class PlainImages(Dataset):
    """What torchvision's data sets do: a picture, transformed."""

    def __init__(self, images: torch.Tensor, target: torch.Tensor) -> None:
        self.images, self.target = images.permute(0, 2, 3, 1).numpy(), target.tolist()
        config = cifar100_lt()
        self.transform = tv.Compose(
            [
                tv.RandomCrop(32, 4),
                tv.RandomHorizontalFlip(),
                tv.AutoAugment(tv.AutoAugmentPolicy.CIFAR10),
                tv.ToTensor(),
                Cutout(),
                tv.Normalize(config.mean, config.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.target[index]


class Cutout:
    """A black square of 16 pixels on one image."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        row, column = (int(torch.randint(32, ())) for _ in range(2))
        image[:, max(row - 8, 0) : row + 8, max(column - 8, 0) : column + 8] = 0
        return image


def seconds_of_evaluation(config: TrainingConfig) -> float:
    """Logits of 10,000 test images and their scores, raw and re-balanced, as after every tenth epoch."""
    images, target = torch.randint(0, 256, (10_000, 3, 32, 32), dtype=torch.uint8), torch.arange(10_000) % 100
    test = ResidentImages(images, target, config.mean, config.std, torch.channels_last)
    model = make_network(config.model, 100).to(memory_format=torch.channels_last)
    start = time.perf_counter()
    logits = predict_logits(model, test, make_fabric(config).autocast)
    scores_during_training(logits, target, Scorer(COUNTS))
    return time.perf_counter() - start


def seconds_of_plain_epoch(images: torch.Tensor, target: torch.Tensor) -> float:
    loader = DataLoader(PlainImages(images, target), batch_size=64, shuffle=True, num_workers=2, drop_last=True)
    model, criterion = CifarResNet(32, 100).train(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    start = time.perf_counter()
    for batch, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(batch), labels)
        loss.backward()
        optimizer.step()
        loss.item()
    return time.perf_counter() - start


def seconds_of_seeds(processes: int, threads: int) -> float:
    """One epoch each, in processes side by side; the time of training alone, the longest of them."""
    command = [sys.executable, __file__, "--one-epoch"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return max(float(process.communicate()[0].split()[-1]) for process in started)


def profile(images: torch.Tensor, target: torch.Tensor) -> None:
    loop, _ = ours(resolve(cifar100_lt(loss="ce", epochs=1)), images[:1280], target[:1280])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        loop.run()
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=50))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=1, help="epochs of each, in turns (default 1)")
    parser.add_argument("--profile", action="store_true", help="show where the time of 20 steps goes, and no more")
    parser.add_argument("--one-epoch", action="store_true", help="print the seconds of one epoch of ours, and no more")
    options = parser.parse_args()
    images, target = data()
    ours(resolve(cifar100_lt(loss="ce", epochs=1)), images[:640], target[:640])[0].run()  # what is done once
    if options.profile:
        profile(images, target)
        return
    if options.one_epoch:
        print(seconds_of_our_epoch(images, target)[0])
        return
    pairs = [
        (*seconds_of_our_epoch(images, target), seconds_of_plain_epoch(images, target)) for _ in range(options.epochs)
    ]
    epoch = statistics.median(pair[0] for pair in pairs)
    augmenting = statistics.median(pair[1] for pair in pairs)
    plain = statistics.median(pair[3] for pair in pairs)
    config = pairs[0][2]
    print(f"{config.device}, {config.precision}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"plain loop {plain:.1f} s an epoch, ours {epoch:.1f} s, ratio {plain / epoch:.2f} (goal 4, aim 8)")
    print(f"augmentation and normalisation {augmenting:.2f} s, {100 * augmenting / epoch:.1f} % of it (goal 10 %)")
    evaluation = seconds_of_evaluation(config)
    print(
        f"200 epochs with an evaluation ({evaluation:.1f} s) each 10: {(200 * epoch + 20 * evaluation) / 60:.0f} min "
        "(goal 45, aim 25)"
    )
    if config.device == "cpu":
        after, together = 2 * seconds_of_seeds(1, 2), seconds_of_seeds(2, 1)
        print(
            f"two seeds, an epoch each: one after the other with 2 threads {after:.1f} s, at once with 1 thread each "
            f"{together:.1f} s, ratio {together / after:.2f}"
        )


if __name__ == "__main__":
    main()
