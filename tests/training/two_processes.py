"""What each of the processes that torchrun starts does: `two_processes.py DATA OUT`.

First the loop with a network without batch norm, whose end is that of one process; then a whole run.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from longtail import GALALoss
from longtail.analysis import GradientRecorder
from longtail.data import ResidentImages
from longtail.models import MLP
from longtail.runs import RunFolder
from longtail.training import Callback, Step, run_experiment
from longtail.training.epochs import Epochs, augmentation
from longtail.training.hardware import make_fabric, resolve
from longtail.training.loop import TrainingLoop
from longtail.training.state import TrainingState
from training.tiny import tiny_cifar10, tiny_config

SAMPLES, CLASSES = 64, 4


class Flat(MLP):
    """A perceptron on images."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.flatten(1))


class Seen(Callback):
    """The labels that this process trained on, step by step."""

    def __init__(self) -> None:
        self.labels: list[list[int]] = []

    def on_step_end(self, step: Step) -> None:
        self.labels.append(step.target.tolist())


def train_a_perceptron(out: Path) -> dict:
    """Two epochs of four steps; the weights, θ and what this process saw."""
    config = resolve(tiny_config(epochs=2, batch_size=16, precision="float32", augmentations=("crop", "flip")))
    fabric = make_fabric(config)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (SAMPLES, 3, 8, 8), dtype=torch.uint8, generator=generator)
    data = ResidentImages(images, torch.arange(SAMPLES) % CLASSES, config.mean, config.std, torch.contiguous_format)
    epochs = Epochs(data, augmentation(config.augmentations, 3), 16, config.seed, fabric.global_rank, fabric.world_size)
    torch.manual_seed(0)
    model, criterion, seen = Flat(192, CLASSES, hidden=(16,)), GALALoss(CLASSES), Seen()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    state = TrainingState(model, criterion, optimizer)
    if fabric.is_global_zero:
        RunFolder.create(out, config=config, seed=0)
    fabric.barrier()
    riding = [seen, GradientRecorder()]
    TrainingLoop(fabric, config, epochs, state, RunFolder.open(out), evaluate=dict, callbacks=riding).run()
    fabric.barrier()
    losses = [line["loss"] for line in RunFolder.open(out).metrics]
    return {"model": model.state_dict(), "criterion": criterion.state_dict(), "seen": seen.labels, "losses": losses}


if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    result = train_a_perceptron(out / "perceptron")
    torch.save(result, out / f"rank{torch.distributed.get_rank()}.pt")
    with tiny_cifar10():
        run_experiment(tiny_config(epochs=1), data=data, out=out / "run")
