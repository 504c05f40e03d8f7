"""The features of a network for all samples of a data set."""

import os
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from longtail.arguments import check_keywords, keywords_of
from longtail.data import Parts, Samples, StreamedImages, check_files, image_loader, read_data
from longtail.data.check import Progress
from longtail.models import Network, fold_batch_norm, make_network
from longtail.recipes import features as recipe
from longtail.training import OwnConfig
from longtail.training.hardware import bfloat16_pays
from longtail.training.launched_ranks import launched_ranks
from longtail.training.outputs import outputs_of
from longtail.training.ranks import Ranks


def extract_features(
    data: Any,
    *,
    model: str,
    weights: str | os.PathLike[str] | None = None,
    pretrained: bool | None = None,
    size: int | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    on_bad_file: str = "fail",
    on_note: Callable[[str], None] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Arrays `features` (N, D) float32, `labels` (N,) names, `part` (N,), and `path` (N,) where there are files.

    Args:
        data: images, as `read_data` takes them.
        model: the network, as `longtail.models.make_backbone` takes it.
        weights: a file of weights.
        pretrained: load timm's weights; by default where no file is given.
        size: height and width of the images in pixels; by default those of the network.
        mean: subtracted from the channels, which lie in [0, 1]; by default as the network has it.
        std: what the channels are then divided by; by default as the network has it.
        on_bad_file: "fail", or "skip" to leave out files that can't be decoded.
        on_note: called with each note on how the data were read, such as the files that are left out.
        progress: called with the name of a step and its finished share, in [0, 1].
        **options: of `read_data`.

    Of the processes that torchrun started, each computes a share of the samples, and all get all features.

    Raises:
        ValueError, OSError: data that are no images or can't be read, a network that can't be built.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
        >>> network = {"model": "resnet8-cifar", "pretrained": False, "size": 32, "mean": (0.5,) * 3, "std": (0.5,) * 3}
        >>> found = extract_features((images, ["cat", "lynx"] * 3), **network)
        >>> found["features"].shape, found["labels"][:2].tolist()
        ((6, 64), ['cat', 'lynx'])
    """
    check_keywords("extract_features", options, keywords_of(extract_features, read_data))
    file = None if weights is None else str(weights)
    config = recipe(model=model, weights=file, pretrained=pretrained, size=size, mean=mean, std=std).completed()
    with launched_ranks() as ranks:
        if not ranks.first:
            progress = on_note = None
        parts = read_data(data, **options)
        parts = ranks.from_first(
            check_files(parts, on_bad_file=on_bad_file, progress=progress) if ranks.first else None
        )
        if on_note is not None:
            for note in parts.notes:
                on_note(note)
        return _arrays(parts, config, ranks, progress)


def _arrays(parts: Parts, config: OwnConfig, ranks: Ranks, progress: Progress | None) -> dict[str, np.ndarray]:
    if parts.train.kind not in ("files", "images", "items"):
        raise ValueError(f"`data` must hold images. Got {parts.train.kind}.")
    built = make_network(config.model, 2, size=config.size, pretrained=bool(config.pretrained), weights=config.weights)
    built.load_state_dict(ranks.from_first(built.state_dict() if ranks.first else None))
    network = fold_batch_norm(built).to(memory_format=torch.channels_last)
    assert config.size is not None
    found: dict[str, list[np.ndarray]] = {"features": [], "labels": [], "part": [], "path": []}
    for name, samples in parts.items():
        load = image_loader(samples, config.size, config.crop_pct or 1.0, config.interpolation or "bicubic")
        split = StreamedImages(load, torch.from_numpy(samples.target), config.mean, config.std, torch.channels_last)
        found["features"].append(_features(network, split, name, progress, ranks))
        found["labels"].append(np.array(samples.class_names)[samples.target])
        found["part"].append(np.full(len(samples), name))
        found["path"].append(_paths(samples))
    arrays = {name: np.concatenate(values) for name, values in found.items()}
    if parts.train.files is None:
        del arrays["path"]
    return arrays


def _features(
    network: Network, split: StreamedImages, name: str, progress: Progress | None, ranks: Ranks
) -> np.ndarray:
    pays = ranks.from_first(bfloat16_pays(torch.device("cpu")))  # measured: all ranks must agree
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=pays)
    width = cast(nn.Linear, network.classifier).in_features
    return outputs_of(network.features, split, width, autocast, progress, f"features of {name}", ranks).numpy()


def _paths(samples: Samples) -> np.ndarray:
    return np.array(samples.files if samples.files is not None else [""] * len(samples))
