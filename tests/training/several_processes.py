"""What each of the processes that torchrun starts does: `several_processes.py DATA OUT`.

The loop with a network without batch norm, whose end is that of one process; rows of samples that the processes share;
whole runs of every kind.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from torch import nn

from longtail import GALALoss
from longtail.analysis import GradientRecorder
from longtail.data import FeatureViews, ResidentImages
from longtail.losses import ClassBalancedLoss, DeferredReweighting
from longtail.models import BACKBONES, MLP
from longtail.runs import RunFolder
from longtail.training import Callback, Step, TrainingConfig, run_experiment
from longtail.training.epochs import augmentation, epochs_of
from longtail.training.hardware import make_fabric, resolve
from longtail.training.loop import TrainingLoop
from longtail.training.opening import check_all_see
from longtail.training.ranks import Ranks
from longtail.training.state import TrainingState
from training.own import features_config, finetune_config, scratch_config
from training.tiny import tiny_config

CLASSES = 4
COUNTS = (32, 16, 10, 6)
SAMPLES = sum(COUNTS)
ROWS = (13, 3)
"""Samples that no number of processes divides, and fewer than there are processes."""


class Flat(MLP):
    """A perceptron on images."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.flatten(1))


class FlatBackbone(nn.Module):
    """A backbone without batch norm on images of 16 x 16 pixels."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 16 * 16, 8)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(inputs.flatten(1)))


class Seen(Callback):
    """The labels that this process trained on, step by step."""

    def __init__(self) -> None:
        self.labels: list[list[int]] = []

    def on_step_end(self, step: Step) -> None:
        self.labels.append(step.target.tolist())


LOOPS: dict[str, tuple[Callable[[], nn.Module], dict[str, object]]] = {
    "gala": (lambda: GALALoss(CLASSES), {}),
    "divided": (lambda: GALALoss(CLASSES, accumulate="released"), {"accumulate": 2, "micro_batch_size": 3}),
    "uneven": (lambda: GALALoss(CLASSES, form="paper"), {"batch_size": 15}),
    "weighted": (lambda: ClassBalancedLoss(COUNTS, beta=0.99), {"micro_batch_size": 3}),
    "sharpness-aware": (lambda: GALALoss(CLASSES), {"batch_size": 15, "sam_radius": 0.5}),
    "deferred": (lambda: DeferredReweighting(GALALoss(CLASSES), COUNTS, start_epoch=2), {"batch_size": 15}),
}
"""Losses and settings under which the number of processes must change nothing."""


def train_a_perceptron(out: Path, name: str, **changes: object) -> dict:
    """Two epochs of four steps; the weights, θ and what this process saw."""
    make_criterion, settings = LOOPS[name]
    defaults = {"epochs": 2, "batch_size": 16, "precision": "float32", "augmentations": ("crop", "flip")}
    config = resolve(tiny_config(**(defaults | settings | changes)))
    fabric = make_fabric(config)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (SAMPLES, 3, 8, 8), dtype=torch.uint8, generator=generator)
    target = torch.repeat_interleave(torch.arange(CLASSES), torch.tensor(COUNTS))
    data = ResidentImages(images, target, config.mean, config.std, torch.contiguous_format)
    epochs = epochs_of(config, data, augmentation(config.augmentations, 3), fabric.global_rank, fabric.world_size)
    torch.manual_seed(0)
    model, criterion, seen = Flat(192, CLASSES, hidden=(16,)), make_criterion(), Seen()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    state = TrainingState(model, criterion, optimizer)
    if fabric.is_global_zero:
        RunFolder.create(out, config=config, seed=0)
    fabric.barrier()
    callbacks = [seen, GradientRecorder()]
    TrainingLoop(fabric, config, epochs, state, RunFolder.open(out), evaluate=dict, callbacks=callbacks).run()
    fabric.barrier()
    losses = [line["loss"] for line in RunFolder.open(out).metrics]
    return {"model": model.state_dict(), "criterion": criterion.state_dict(), "seen": seen.labels, "losses": losses}


def rows(ranks: Ranks) -> dict[str, torch.Tensor | list[int]]:
    """Rows of samples as the first rank gets them and as all do, and the samples that this rank computed."""
    found: dict[str, torch.Tensor | list[int]] = {}
    for samples in ROWS:
        features = torch.arange(samples * 2.0).view(1, samples, 2)
        split = FeatureViews(features, torch.arange(samples))
        computed: list[int] = []

        def compute(part, computed=computed):
            computed.extend(part.target.tolist())
            return part.features[0] + 0.5

        found[f"first{samples}"] = ranks.rows_of(split, compute)
        found[f"computed{samples}"] = list(computed)
        found[f"all{samples}"] = ranks.rows_of(split, compute, everywhere=True)
    return found


def shared_buffers(ranks: Ranks) -> list[float]:
    """Running means that were other numbers in each process before."""
    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(ranks.rank)
    ranks.share_buffers(norm)
    return norm.running_mean.tolist()


def left_out(ranks: Ranks) -> list[str]:
    """The notes on files, of which each process has left out one."""
    model = nn.Linear(2, 2)
    state = TrainingState(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters()))
    state.note_left_out("test", SimpleNamespace(left_out={f"{ranks.rank}.jpg": "it is empty"}), ranks)
    return state.notes


def refused(ranks: Ranks, out: Path) -> str:
    """What a process is told that does not see the run which the first finds."""
    try:
        check_all_see(RunFolder.open(out) if ranks.first else None, out, ranks)
    except FileNotFoundError as error:
        return str(error)
    return ""


WORKERS = int(os.environ.get("WORLD_SIZE") == "2")
"""Processes that decode for each of two; their start takes longer than all else, so one and four decode themselves."""
RUNS = {
    "streamed": lambda: finetune_config(model="flat", batch_size=9, evaluate_every=1),
    "streamed-in-parts": lambda: finetune_config(model="flat", batch_size=9, workers=WORKERS, micro_batch_size=2),
    "in-memory": lambda: scratch_config(model="flat", batch_size=10, validation=0.2),
    "features": lambda: features_config(model="flat", augmentations=("flip",), views=2),
    "from-the-cache": lambda: features_config(model="flat", augmentations=("flip",), views=2),
}


def interrupted() -> TrainingConfig:
    """A run that one process begins."""
    return scratch_config(model="flat", batch_size=5)


def run_all(data: Path, out: Path) -> None:
    """Whole runs of the user's own images: of a network without batch norm, and some of a network with it."""
    BACKBONES["flat"] = FlatBackbone
    os.environ["LONGTAIL_CACHE"] = str(out / "cache")
    for name, config in RUNS.items():
        run_experiment(config(), data=data, out=out / name)
    run_experiment(scratch_config(epochs=1), data=data, out=out / "batch-norm")
    for kind in ("balanced", "probabilistic"):
        config = scratch_config(epochs=1, contrastive=0.35, contrastive_loss=kind)
        run_experiment(config, data=data, out=out / f"{kind}-contrastive")
    settings = {"data": data, "out": out / "interrupted", "resume": True, "callbacks": [GradientRecorder()]}
    run_experiment(interrupted(), **settings)


if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    loops = {name: train_a_perceptron(out / f"loop-{name}", name) for name in LOOPS}
    fabric = make_fabric(resolve(tiny_config(precision="float32")))
    ranks = Ranks.of(fabric)
    found = {"loops": loops, "rows": rows(ranks), "buffers": shared_buffers(ranks)}
    found["left_out"] = left_out(ranks)
    found["refused"] = refused(ranks, out / "loop-gala")
    torch.save(found, out / f"rank{fabric.global_rank}.pt")
    run_all(data, out)
