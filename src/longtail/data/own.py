"""The source "own": the user's data are read, checked and divided into splits."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

from longtail.arguments import from_numpy
from longtail.data.built_in.download import refuse_download
from longtail.data.check import Progress, available_cores, check_files, require_trainable
from longtail.data.config import DataConfig
from longtail.data.contract import DataInfo, Split, Splits
from longtail.data.features.in_memory import FeatureViews
from longtail.data.features.rows import FeatureRows
from longtail.data.features.stored import StoredFeatures
from longtail.data.images.streamed import StreamedImages
from longtail.data.object_source import input_of
from longtail.data.own_config import OwnDataConfig
from longtail.data.read import read_data
from longtail.data.samples import Parts, Samples
from longtail.data.splits import SplitPlan, plan_splits

MOST_WORKERS = 8


def own_data(config: DataConfig, data: Any, device: torch.device, download: bool, progress: Progress | None) -> Splits:
    """Splits of data that `read_data` takes; parts that are not given are held out by class and by group."""
    if not isinstance(config, OwnDataConfig):
        raise ValueError(
            f'`dataset` "own" needs an `OwnDataConfig` such as `OwnConfig`. Got a {type(config).__name__}.'
        )
    refuse_download("your own data", download)
    if data is None:
        raise ValueError("`data` must be a folder, list, table, array file or data set. Got none.")
    parts = read_data(
        data,
        root=config.root,
        val=config.val,
        test=config.test,
        groups=config.groups,
        path_column=config.path_column,
        label=config.label,
        split=config.split,
        group=config.group,
    )
    require_trainable(parts)
    _check_shares(config, parts)
    if parts.test is None and config.test_share == 0:
        raise ValueError("`test` must name test samples where `test_share` is 0. There are none.")
    if parts.train.features is None:
        config = config.completed()
    parts = check_files(parts, on_bad_file=config.on_bad_file, progress=progress)
    plan = plan_splits(parts, validation=config.validation, test=config.test_share, seed=config.subset_seed)
    origin = str(Path(data).resolve()) if isinstance(data, (str, os.PathLike)) else None
    return splits_of(config, plan.apply(parts), plan, origin, device)


def _check_shares(config: OwnDataConfig, parts: Parts) -> None:
    """Refuse a share to hold out for a part that is given."""
    usual = {field.name: field.default for field in fields(OwnDataConfig)}
    for share, part in (("validation", parts.validation), ("test_share", parts.test)):
        value = getattr(config, share)
        if part is not None and value not in (0, usual[share]):
            raise ValueError(
                f"`{share}` must be left out where the {share.removesuffix('_share')} samples are given: none are held "
                f"out of training. Got {value!r}."
            )


def splits_of(config: OwnDataConfig, parts: Parts, plan: SplitPlan, origin: str | None, device: torch.device) -> Splits:
    """Splits of parts that are divided.

    Args:
        config: says how images are brought to the network.
        parts: with a test part.
        plan: how they were divided.
        origin: the path that they were read from.
        device: where batches are to be.

    Raises:
        ValueError: no test sample, or class names that are not text.
    """
    train = parts.train
    if parts.test is None or not len(parts.test):
        raise ValueError(
            f"`test_share` must leave a test sample. {config.test_share!r} of {len(train):,} samples, rounded class by "
            "class, leaves none: raise it, add samples, or name test samples with --test."
        )
    for name in train.class_names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"class names must be text in UTF-8. Got {name!r}: rename its folder.") from None
    empty = train.take(np.zeros(0, dtype=np.int64))
    info = DataInfo(
        class_names=train.class_names,
        class_counts=tuple(train.class_counts.tolist()),
        **_description(config, train),
        fingerprint=parts.fingerprint,
        notes=parts.notes,
        origin=origin,
        held_out=plan.as_dict(),
    )
    validation, test = (_split(config, part, device) for part in (parts.validation or empty, parts.test))
    return Splits(_training_split(config, train, device), validation, test, info)


def _description(config: OwnDataConfig, train: Samples) -> dict[str, Any]:
    """The fields of `DataInfo` that describe an input."""
    if train.features is not None:
        return {"input_shape": (train.features.shape[1],), "feature_names": train.feature_names}
    shape = (3, config.size, config.size)
    return {
        "input_shape": shape,
        "mean": config.mean,
        "std": config.std,
        "crop_pct": config.crop_pct or 1.0,
        "interpolation": config.interpolation or "bicubic",
    }


def _split(
    config: OwnDataConfig, samples: Samples, device: torch.device
) -> FeatureViews | StoredFeatures | StreamedImages:
    target = torch.from_numpy(samples.target).to(device)
    if isinstance(samples.features, FeatureRows):
        return StoredFeatures(samples.features, target)
    if samples.features is not None:
        features = from_numpy("features", samples.features, shared=True)  # nobody writes to them
        return FeatureViews(features.to(device)[None], target)
    assert config.size is not None
    layout = torch.channels_last if config.channels_last == "on" else torch.contiguous_format
    load = image_loader(samples, config.size, config.crop_pct or 1.0, config.interpolation or "bicubic")
    if samples.items is not None and len(samples):
        load(0)  # refuses items without images before training starts
    left_out: dict[str, str] = {}
    if config.on_bad_file == "skip":
        load = _black_where_bad(load, samples, config.size, left_out)
    return StreamedImages(
        load, target, config.mean, config.std, layout, content_of=lambda: samples.content, left_out=left_out
    )


def _training_split(config: OwnDataConfig, samples: Samples, device: torch.device) -> Split:
    """The training split; with `augment` or `workers`, images are augmented as they are decoded."""
    plain = _split(config, samples, device)
    if not isinstance(plain, StreamedImages) or (config.augment == "none" and not config.workers):
        return plain
    from longtail.data.images.device_augmentation import DeviceAugmentation
    from longtail.data.images.file_augmentation import CentreSquare, TrainingImage
    from longtail.data.images.training_images import TrainingImages
    from longtail.data.images.workers import Draw

    assert config.size is not None
    size, interpolation, on_device = config.size, config.interpolation or "bicubic", None
    draw: Draw = TrainingImage(config.augment, size, round(size / (config.crop_pct or 1.0)), interpolation)
    if config.augment_on == "device":
        on_device = DeviceAugmentation(config.augment, size)
        size = on_device.source_size
        draw = CentreSquare(size, interpolation)
    workers = config.workers
    if workers is None:
        workers = min(available_cores(), MOST_WORKERS) if device.type == "cuda" else 0
    skip = config.on_bad_file == "skip"
    return TrainingImages(plain, draw, source_of(samples), size, workers=workers, skip=skip, on_device=on_device)


def _black_where_bad(
    load: Callable[[int], np.ndarray], samples: Samples, size: int, left_out: dict[str, str]
) -> Callable[[int], np.ndarray]:
    """`load`, with a black image for a file that became unreadable; its path and the reason go into `left_out`."""
    from longtail.data.images.decoding import BadImageError

    def load_or_black(index: int) -> np.ndarray:
        try:
            return load(index)
        except (FileNotFoundError, BadImageError) as error:
            left_out[samples.name(index)] = str(error)
            return np.zeros((size, size, 3), dtype=np.uint8)

    return load_or_black


def source_of(samples: Samples) -> Callable[[int], Any]:
    """A function that maps an index to the path of a file, the bytes of one, or an image in memory.

    Items of a data set are read by one thread at a time: theirs may share an open file, such as an archive.
    """
    from longtail.data.images.decoding import as_image

    one_at_a_time = Lock()

    def source(index: int) -> Any:
        if samples.files is not None:
            return samples.name(index)
        if samples.encoded is not None:
            return samples.encoded.file(index)
        if samples.images is not None:
            image = samples.images[index]
        else:
            with one_at_a_time:
                image = _image_of(samples, index)
        try:
            return as_image(image)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{samples.name(index)}: {error}") from error

    return source


def _image_of(samples: Samples, index: int) -> Any:
    """The image of an item; one that Pillow has only opened is decoded, since its file may be shared, too."""
    from PIL import Image

    with _errors_that_name(samples, index):
        item = samples.items[index]
    image = input_of(item)
    if isinstance(image, Image.Image):
        with _errors_that_name(samples, index):
            image.load()
    return image


@contextmanager
def _errors_that_name(samples: Samples, index: int) -> Iterator[None]:
    """Say which sample a data set failed at: its own errors rarely do."""
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{samples.name(index)} of the data set could not be read. {reason}") from error


def image_loader(
    samples: Samples, size: int, crop_pct: float = 1.0, interpolation: str = "bicubic"
) -> Callable[[int], np.ndarray]:
    """A function that maps an index to the image as the network takes it, (size, size, 3) uint8.

    The shorter side is resized to size / crop_pct pixels, then the centre is cut out.

    Example:
        >>> images = np.zeros((2, 20, 40, 3), dtype=np.uint8)
        >>> images[:, :, :20] = 255  # the left half is white
        >>> load = image_loader(Samples(np.array([0, 1]), ("ant", "bee"), images=images), size=10)
        >>> load(1).shape, load(1)[5, [0, -1], 0].tolist()
        ((10, 10, 3), [255, 0])
    """
    from longtail.data.images.file_augmentation import centre_crop

    shorter, source = round(size / crop_pct), source_of(samples)
    return lambda index: centre_crop(source(index), shorter, size, interpolation)
