"""A data set that trains in seconds: CIFAR-10's file format with few records, whose classes differ in colour."""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from longtail.data.built_in.cifar import ARCHIVES
from longtail.training import TrainingConfig

PER_FILE, TEST = 40, 50
TINY = dataclasses.replace(ARCHIVES["cifar10"], records=(PER_FILE, TEST))


def write_tiny(folder: Path) -> Path:
    """Six files of records: a label, then the bytes of an image."""
    random = np.random.default_rng(0)
    folder = folder / TINY.folder
    folder.mkdir(parents=True)
    for file, records in [*((name, PER_FILE) for name in TINY.train), (TINY.test[0], TEST)]:
        labels = np.arange(records) % 10
        colours = np.stack([labels * 25, 250 - labels * 25, labels % 3 * 100], axis=1)
        images = np.clip(colours[:, :, None] + random.normal(0, 40, (records, 3, 1024)), 0, 255)
        (folder / file).write_bytes(
            np.concatenate([labels[:, None], images.reshape(records, -1)], axis=1).astype(np.uint8).tobytes()
        )
    return folder


@contextmanager
def tiny_cifar10() -> Iterator[None]:
    """Let "cifar10" be of that size."""
    with mock.patch.dict(ARCHIVES, cifar10=TINY):
        yield


def tiny_config(**settings: object) -> TrainingConfig:
    """Three epochs of six steps."""
    defaults = {
        "dataset": "cifar10",
        "imbalance": 4.0,
        "model": "resnet8-cifar",
        "batch_size": 16,
        "epochs": 3,
        "evaluate_every": 2,
        "augmentations": ("crop", "flip", "auto_augment", "cutout"),
        "threads": 1,
        "device": "cpu",
    }
    return TrainingConfig(**(defaults | settings))


TINY_OPTIONS = [
    *("--imbalance", "4", "--model", "resnet8-cifar", "--batch-size", "16", "--epochs", "3", "--evaluate-every", "2"),
    *("--threads", "1", "--device", "cpu"),
]


def replaced(options: list[str], others: Iterable[str]) -> list[str]:
    """The options, without those that are among the others, and then the others."""
    others = list(others)
    kept, keeps = [], True
    for word in options:
        if word.startswith("--"):
            keeps = word not in others
        if keeps:
            kept.append(word)
    return kept + others
