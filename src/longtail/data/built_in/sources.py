"""The built-in sources: data sets of small images, which stay in memory."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.data.built_in.cifar import Cifar, cifar_class_names, load_cifar
from longtail.data.built_in.digits import long_tailed_digits
from longtail.data.built_in.download import refuse_download
from longtail.data.built_in.plankton import load_plankton, plankton_class_names
from longtail.data.check import Progress
from longtail.data.config import DataConfig
from longtail.data.contract import DataInfo, Splits
from longtail.data.images.resident import ResidentImages
from longtail.data.labels import class_counts
from longtail.data.subset import long_tailed_indices

Images = tuple[Tensor, Tensor]
SIDES = {"cifar10": 32, "cifar100": 32, "digits": 8, "plankton": 48}
"""Of the images as they come, for runs of versions that did not save it."""


def cifar(config: DataConfig, data: Any, device: torch.device, download: bool, _progress: Progress | None) -> Splits:
    """CIFAR-10 or CIFAR-100, with a long tail of its own making."""
    if data is None:
        raise ValueError(f"`data` must be the folder of the data set {config.dataset}. Got none.")
    if config.imbalance is None:
        _check_no_subset(config)
    found = data if isinstance(data, Cifar) else load_cifar(config.dataset, data, download=download)
    names = _numbers(found.train_target) if isinstance(data, Cifar) else cifar_class_names(config.dataset, data)
    kept = torch.arange(len(found.train_target)).numpy()
    if config.imbalance is not None:
        kept = long_tailed_indices(found.train_target, config.imbalance, config.profile, seed=config.subset_seed)
    if config.validation_per_class:
        kept, rest = _balanced_validation(found.train_target.numpy(), kept, config)
        train = found.train_images[kept], found.train_target[kept]
        held_out = found.train_images[rest], found.train_target[rest]
    else:
        train, held_out = _hold_out((found.train_images[kept], found.train_target[kept]), config.validation)
    return _resident(config, (train, held_out, (found.test_images, found.test_target)), names, device)


def digits(config: DataConfig, data: Any, device: torch.device, download: bool, _progress: Progress | None) -> Splits:
    """scikit-learn's digits with a long tail."""
    refuse_download("digits", download)
    if data is not None:
        raise ValueError(f"`data` must be left out for digits, which come with scikit-learn. Got {data}.")
    _check_no_balanced_validation(config)
    if config.profile != "exp":
        raise ValueError(f'`profile` must be "exp" for digits. Got {config.profile!r}.')
    if config.imbalance is None:
        raise ValueError("`imbalance` must be a number for digits; 1 takes as many of each class. Got None.")
    found = long_tailed_digits(config.imbalance, seed=config.subset_seed)
    # Their 17 levels of grey as multiples of 15: a byte holds each exactly.
    train_images, test_images = ((i[:, None] * 240).to(torch.uint8) for i in (found.train_images, found.test_images))
    train, held_out = _hold_out((train_images, found.train_target), config.validation)
    return _resident(config, (train, held_out, (test_images, found.test_target)), _numbers(found.train_target), device)


def plankton(config: DataConfig, data: Any, device: torch.device, download: bool, _progress: Progress | None) -> Splits:
    """The plankton of the National Data Science Bowl, with its own held-out set."""
    refuse_download("plankton", download)
    _check_no_balanced_validation(config)
    if data is None or isinstance(data, Cifar):
        raise ValueError(f"`data` must be the folder of the plankton. Got {'none' if data is None else 'CIFAR'}.")
    if config.imbalance is not None:
        raise ValueError(f"`imbalance` must be None for plankton, whose tail is its own. Got {config.imbalance:g}.")
    _check_no_subset(config)
    if config.validation:
        raise ValueError(
            f"`validation` must be 0 for plankton, which has its own held-out set. Got {config.validation}."
        )
    found = load_plankton(data)
    return _resident(config, (found[0:2], found[2:4], found[4:6]), plankton_class_names(Path(data)), device)


def _check_no_subset(config: DataConfig) -> None:
    """Refuse settings of the long-tailed subset where all samples are taken."""
    for setting, usual in (("profile", "exp"), ("subset_seed", 0)):
        drawn = setting == "subset_seed" and config.validation_per_class  # the validation images are drawn by it
        if (value := getattr(config, setting)) != usual and not drawn:
            raise ValueError(f"`{setting}` must be {usual!r} where all samples are taken. Got {value!r}.")


def _numbers(target: Tensor) -> tuple[str, ...]:
    return tuple(map(str, range(int(target.max()) + 1)))


def _balanced_validation(target: np.ndarray, kept: np.ndarray, config: DataConfig) -> tuple[np.ndarray, np.ndarray]:
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


def _check_no_balanced_validation(config: DataConfig) -> None:
    if config.validation_per_class:
        raise ValueError(
            f"`validation_per_class` must be 0 for {config.dataset}, whose training set leaves no images out. "
            f"Got {config.validation_per_class}."
        )


def _hold_out(data: Images, share: float) -> tuple[Images, Images]:
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


def _resident(
    config: DataConfig, parts: tuple[Images, Images, Images], names: tuple[str, ...], device: torch.device
) -> Splits:
    channels = parts[0][0].shape[1]
    if len(config.mean) != channels:
        raise ValueError(
            f"`mean` and `std` must hold one value per channel, {channels} for {config.dataset}. "
            f"Got {len(config.mean)}."
        )
    layout = torch.channels_last if config.channels_last == "on" else torch.contiguous_format
    train, validation, test = (
        ResidentImages(_shrunk(images, config.shrink).to(device), target.to(device), config.mean, config.std, layout)
        for images, target in parts
    )
    info = DataInfo(
        class_names=names,
        class_counts=tuple(class_counts(parts[0][1], len(names)).tolist()),
        input_shape=tuple(train.images.shape[1:]),
        mean=config.mean,
        std=config.std,
        fingerprint=_fingerprint(train, validation, test),
    )
    return Splits(train, validation, test, info)


def _fingerprint(*splits: ResidentImages) -> str:
    digest = hashlib.sha256()
    for split in splits:
        digest.update(split.target.cpu().numpy().tobytes())
        digest.update(split.images.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _shrunk(images: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return images
    if images.shape[-1] % factor:
        raise ValueError(f"`shrink` must divide {images.shape[-1]}, the side of the images. Got {factor}.")
    parts = [F.avg_pool2d(part.float(), factor).round().to(torch.uint8) for part in torch.split(images, 1000)]
    return torch.cat(parts)
