"""The batches that the recipe trains on."""

import torch

from longtail.data import load_splits
from longtail.data.built_in.cifar import Cifar
from longtail.training import TrainingConfig
from longtail.training.epochs import Epochs, augmentation


def epochs_of(config: TrainingConfig, cifar: Cifar, device: str) -> Epochs:
    """As a run of that configuration sees them."""
    splits = load_splits(config, cifar, torch.device(device))
    augment = augmentation(config.augmentations, splits.channels)
    return Epochs(splits.train, augment, config.batch_size, config.seed)
