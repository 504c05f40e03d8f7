"""A source, a backbone and a stage that the package knows nothing of, as another package would register them."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from torch import nn

from longtail.data import SOURCES, DataInfo, Splits
from longtail.models import BACKBONES, Network, make_network
from longtail.training import STAGES, StageKind, TrainingConfig, run_experiment

COUNTS = (24, 12, 6)


class Curves:
    """A split of noisy curves (1, 8, 8) that are computed when they are asked for."""

    def __init__(self, counts, seed, device):
        self.target = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(device)
        noise = torch.randn(len(self.target), 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        self.curves = noise.to(device) + self.target[:, None, None, None]

    def __len__(self):
        return len(self.target)

    def in_order(self):
        yield from torch.split(self.curves, 10)

    def batches(self, order, parts, *, augment, generator, each_once):
        shift = torch.randn(len(order), 1, 1, 1, generator=generator, device=generator.device)
        for part in parts:
            yield self.curves[order[part]] + 0.1 * shift[part], self.target[order[part]]

    def augmented(self, augment, generator):
        return self

    def pictures(self, indices):
        return None


def curves_source(config, data, device, download, progress):
    """`data` is the seed of the noise."""
    seed = data or 0
    info = DataInfo(("low", "middle", "high"), COUNTS, (1, 8, 8), fingerprint=f"curves {seed}")
    train, validation, test = (Curves(c, seed + i, device) for i, c in enumerate((COUNTS, (2, 2, 2), (5, 5, 5))))
    return Splits(train, validation, test, info)


class Statistics(nn.Module):
    """A backbone with a parameter and a buffer: six scaled statistics of the input."""

    num_features = 6
    seen: torch.Tensor

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs):
        if self.training:
            self.seen += len(inputs)
        flat = inputs.flatten(1)
        found = [flat.mean(1), flat.std(1), flat.amax(1), flat.amin(1), flat.median(1).values, flat.abs().mean(1)]
        return torch.stack(found, 1) * self.scale


class Alternating:
    """A stage that trains the backbone and, after each step, shortens the classifier."""

    def __init__(self, given):
        self.splits, self.steps = given.splits, 0
        self.model = make_network(given.config.model, len(given.splits.info.class_names), in_channels=1).to(
            given.device
        )

    def parameter_groups(self):
        return [
            {"params": list(self.model.backbone.parameters()), "factor": 0.1},
            {"params": list(self.model.classifier.parameters())},
        ]

    def batches(self, default):
        return default

    def after_step(self):
        with torch.no_grad():
            self.model.classifier.get_parameter("weight").mul_(0.99)

    def scored(self):
        return self.model

    def finished(self):
        return Network(self.model.backbone, self.model.classifier)

    def provenance(self):
        return {"mine": "alternating", "notes": ["shortened"]}


@contextmanager
def parts_of_mine() -> Iterator[None]:
    """While they are registered, each by one line."""
    with mock.patch.dict(SOURCES), mock.patch.dict(BACKBONES), mock.patch.dict(STAGES):
        SOURCES["mine"] = curves_source
        BACKBONES["mine"] = Statistics
        STAGES["mine"] = StageKind(Alternating)
        yield


def run_mine(out, data=None, **options):
    """Three epochs of five steps."""
    config = TrainingConfig(
        dataset="mine",
        model="mine",
        stage="mine",
        imbalance=None,
        epochs=3,
        batch_size=8,
        learning_rate=0.05,
        device="cpu",
        precision="float32",
        threads=1,
        evaluate_every=1,
    )
    return run_experiment(config, data=data, out=out, resume=True, checkpoint_seconds=0, **options)


def inputs_of_test(seed=0):
    """What the test split of that seed gives, as an array."""
    return np.concatenate([batch.numpy() for batch in Curves((5, 5, 5), seed + 2, torch.device("cpu")).in_order()])
