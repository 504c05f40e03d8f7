"""The sets of a run: what is trained on, what is held out, what is tested on."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.data import class_counts, load_cifar, load_plankton, long_tailed_digits, long_tailed_indices
from longtail.data.cifar import Cifar
from longtail.training.config import TrainingConfig
from longtail.training.images import SmallImages

IMAGE_SIDES = {"cifar10": 32, "cifar100": 32, "digits": 8, "plankton": 48}
NUM_CLASSES = {"cifar10": 10, "cifar100": 100, "digits": 10, "plankton": 121}
Data = str | os.PathLike[str] | Cifar | None
Images = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Sets:
    """The disjoint sets of a run, on the device; `validation` is empty where none was asked for."""

    train: SmallImages
    validation: SmallImages
    test: SmallImages
    class_counts: Tensor

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for coloured ones."""
        return self.train.images.shape[1]

    @property
    def holds_out_every_class(self) -> bool:
        """Whether something can be fitted on, or chosen by, held-out images: every class has one."""
        return bool((torch.bincount(self.validation.target, minlength=len(self.class_counts)) > 0).all())


def load_sets(config: TrainingConfig, data: Data, device: torch.device, *, download: bool = False) -> Sets:
    """The sets of a run: the long-tailed training set, what it gives up for validation, the test set.

    Args:
        config: what is asked for.
        data: the folder of the data set, or CIFAR already in memory, as `load_cifar` returns it; digits need none.
        device: where the images are to lie.
        download: fetch the data set where it is missing and can be had.

    Raises:
        FileNotFoundError, ValueError: the data are missing or damaged, too few for the imbalance, or do not fit the
            settings.
    """
    train, validation, test = LOADERS[config.dataset](config, data, download)
    _check_channels(config, train[0].shape[1])

    def on_device(images: Tensor, target: Tensor) -> SmallImages:
        memory_format = torch.channels_last if config.channels_last == "on" else torch.contiguous_format
        small = _shrunk(images, config.shrink).to(device)
        return SmallImages(small, target.to(device), config.mean, config.std, memory_format)

    counts = class_counts(train[1], NUM_CLASSES[config.dataset])
    return Sets(on_device(*train), on_device(*validation), on_device(*test), counts)


def _cifar(config: TrainingConfig, data: Data, download: bool) -> tuple[Images, Images, Images]:
    if data is None:
        raise ValueError(f"`data` must be the folder of the data set {config.dataset}. Got none.")
    cifar = data if isinstance(data, Cifar) else load_cifar(config.dataset, data, download=download)
    kept = torch.arange(len(cifar.train_target)).numpy()
    if config.imbalance is not None:
        kept = long_tailed_indices(cifar.train_target, config.imbalance, config.profile, seed=config.subset_seed)
    test = cifar.test_images, cifar.test_target
    if config.validation_per_class:
        kept, rest = _balanced_validation(cifar.train_target.numpy(), kept, config)
        held_out = cifar.train_images[rest], cifar.train_target[rest]
        return (cifar.train_images[kept], cifar.train_target[kept]), held_out, test
    train, held_out = _split((cifar.train_images[kept], cifar.train_target[kept]), config.validation)
    return train, held_out, test


def _balanced_validation(target: np.ndarray, kept: np.ndarray, config: TrainingConfig) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to hold out, as many of each class; what the subset leaves out comes first."""
    order = long_tailed_indices(target, 1, seed=config.subset_seed)  # the shuffle whose first images the subset keeps
    number, counts = config.validation_per_class, np.bincount(target[kept])
    train, held_out = [], []
    for label, count in enumerate(counts):
        shuffled = order[target[order] == label]
        start = min(count, len(shuffled) - number)
        if start < 1:
            raise ValueError(
                f"`validation_per_class` must leave an image of each class to train on. Got {number}, and class "
                f"{label} has {len(shuffled)}."
            )
        train.append(shuffled[:start])
        held_out.append(shuffled[start : start + number])
    return np.concatenate(train), np.concatenate(held_out)


def _digits(config: TrainingConfig, _data: Data, _download: bool) -> tuple[Images, Images, Images]:
    _check_no_balanced_validation(config)
    if config.profile != "exp":
        raise ValueError(f'`profile` must be "exp" for digits. Got {config.profile!r}.')
    if config.imbalance is None:
        raise ValueError("`imbalance` must be a number for digits; 1 takes as many of each class. Got None.")
    digits = long_tailed_digits(config.imbalance, seed=config.subset_seed)
    # Their 17 levels of grey as multiples of 15: a byte holds each exactly.
    train_images, test_images = ((i[:, None] * 240).to(torch.uint8) for i in (digits.train_images, digits.test_images))
    train, held_out = _split((train_images, digits.train_target), config.validation)
    return train, held_out, (test_images, digits.test_target)


def _plankton(config: TrainingConfig, data: Data, _download: bool) -> tuple[Images, Images, Images]:
    _check_no_balanced_validation(config)
    if data is None or isinstance(data, Cifar):
        raise ValueError(f"`data` must be the folder of the plankton. Got {'none' if data is None else 'CIFAR'}.")
    if config.imbalance is not None:
        raise ValueError(f"`imbalance` must be None for plankton, whose tail is its own. Got {config.imbalance:g}.")
    if config.validation:
        raise ValueError(
            f"`validation` must be 0 for plankton, which has its own held-out set. Got {config.validation}."
        )
    sets = load_plankton(data)
    return sets[0:2], sets[2:4], sets[4:6]


def _check_no_balanced_validation(config: TrainingConfig) -> None:
    if config.validation_per_class:
        raise ValueError(
            f"`validation_per_class` must be 0 for {config.dataset}, whose training set leaves no images out. "
            f"Got {config.validation_per_class}."
        )


LOADERS: dict[str, Callable[[TrainingConfig, Data, bool], tuple[Images, Images, Images]]] = {
    "cifar10": _cifar,
    "cifar100": _cifar,
    "digits": _digits,
    "plankton": _plankton,
}


def _split(data: Images, share: float) -> tuple[Images, Images]:
    """To train on and to hold out: of each class the last of its shuffled samples, at least one stays."""
    images, target = data
    train, held_out = [], []
    for label in range(int(target.max()) + 1):
        indices = (target == label).nonzero().flatten()
        number = min(int(np.ceil(share * len(indices) - 1e-9)), len(indices) - 1)
        train.append(indices[: len(indices) - number])
        held_out.append(indices[len(indices) - number :])
    chosen, rest = torch.cat(train), torch.cat(held_out)
    return (images[chosen], target[chosen]), (images[rest], target[rest])


def _check_channels(config: TrainingConfig, channels: int) -> None:
    if len(config.mean) != channels:
        raise ValueError(
            f"`mean` and `std` must hold one value a channel, {channels} for {config.dataset}. Got {len(config.mean)}."
        )
    if channels == 1 and "auto_augment" in config.augmentations:
        raise ValueError('`augmentations` of grey images must leave out "auto_augment", which is for colours.')


def _shrunk(images: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return images
    if images.shape[-1] % factor:
        raise ValueError(f"`shrink` must divide {images.shape[-1]}, the side of the images. Got {factor}.")
    parts = [F.avg_pool2d(part.float(), factor).round().to(torch.uint8) for part in torch.split(images, 1000)]
    return torch.cat(parts)
