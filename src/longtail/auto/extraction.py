"""The features of a network for all samples of a data set."""

import os
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from longtail.arguments import check_keywords, keywords_of
from longtail.data import Parts, StreamedImages, check_files, image_loader, read_data
from longtail.data.check import Progress
from longtail.data.images.names import image_names
from longtail.models import Network, fold_batch_norm, make_network
from longtail.recipes import features as recipe
from longtail.signatures import naming_misspelt
from longtail.training import OwnConfig
from longtail.training.hardware import bfloat16_pays
from longtail.training.launched_ranks import launched_ranks
from longtail.training.outputs import outputs_of
from longtail.training.ranks import Ranks


@naming_misspelt
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
    on_size: Callable[[int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    progress: Progress | None = None,
    everywhere: bool = True,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Arrays `features` (N, D) float32, `labels` (N,) names, `part` (N,), and `path` (N,) of images in files.

    Images that tables hold as bytes are named by the paths stored beside these if all differ, else FILE:ROW.

    Args:
        data: images, as `read_data` takes them.
        model: the network, as `longtail.models.make_backbone` takes it.
        weights: a file of weights.
        pretrained: load timm's weights; by default where no file is given.
        size: height and width of the images in pixels; by default those of the network.
        mean: subtracted from the channels, which lie in [0, 1]; by default as the network has it.
        std: what the channels are then divided by; by default as the network has it.
        on_bad_file: "fail", or "skip" to leave out files that can't be decoded.
        on_size: called with the number of bytes of all arrays before any file is decoded; an error that it raises, such
            as one of a full disk, ends the extraction.
        on_note: called with each note on how the data were read, such as the files that are left out.
        progress: called with the name of a step and its finished share, in [0, 1].
        everywhere: of the processes that torchrun started, each computes a share of the samples, and all get the whole
            arrays; with False the first alone does, and the others get arrays of no rows.
        **options: of `read_data`.

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
            progress = on_note = on_size = None
        parts = read_data(data, **{"require_train": False, **options})
        _refuse_no_images(parts)
        network = _network(config, ranks)
        if on_size is not None:
            on_size(_size(parts, network))
        parts = ranks.from_first(
            check_files(parts, on_bad_file=on_bad_file, progress=progress) if ranks.first else None
        )
        if on_note is not None:
            for note in parts.notes:
                on_note(note)
        return _arrays(parts, network, config, ranks, progress, everywhere=everywhere)


def _refuse_no_images(parts: Parts) -> None:
    if parts.train.kind not in ("files", "images", "items"):
        raise ValueError(f"`data` must hold images. Got {parts.train.kind_in_words}.")


def _network(config: OwnConfig, ranks: Ranks) -> Network:
    built = make_network(config.model, 2, size=config.size, pretrained=bool(config.pretrained), weights=config.weights)
    built.load_state_dict(ranks.from_first(built.state_dict() if ranks.first else None))
    return fold_batch_norm(built).to(memory_format=torch.channels_last)


def _size(parts: Parts, network: Network) -> int:
    """Bytes of all arrays."""
    features = sum(len(samples) for samples in parts.given().values()) * _width(network) * np.dtype(np.float32).itemsize
    return features + sum(array.nbytes for array in _known(parts).values())


def _width(network: Network) -> int:
    return cast(nn.Linear, network.classifier).in_features


def _arrays(
    parts: Parts, network: Network, config: OwnConfig, ranks: Ranks, progress: Progress | None, *, everywhere: bool
) -> dict[str, np.ndarray]:
    assert config.size is not None
    features = []
    for name, samples in parts.given().items():
        load = image_loader(samples, config.size, config.crop_pct or 1.0, config.interpolation or "bicubic")
        split = StreamedImages(load, torch.from_numpy(samples.target), config.mean, config.std, torch.channels_last)
        features.append(_features(network, split, name, progress, ranks, everywhere=everywhere))
    known = _known(parts) if everywhere or ranks.first else {key: array[:0] for key, array in _known(parts).items()}
    return {"features": features[0] if len(features) == 1 else np.concatenate(features), **known}


def _known(parts: Parts) -> dict[str, np.ndarray]:
    """The arrays that need no network: labels, parts and paths."""
    found: dict[str, list[np.ndarray]] = {"labels": [], "part": []}
    for name, samples in parts.given().items():
        found["labels"].append(np.array(samples.class_names)[samples.target])
        found["part"].append(np.full(len(samples), name))
    paths = image_names(list(parts.given().values()))
    arrays = {name: np.concatenate(values) for name, values in found.items()}
    return arrays if paths is None else {**arrays, "path": np.array(paths)}


def _features(
    network: Network, split: StreamedImages, name: str, progress: Progress | None, ranks: Ranks, *, everywhere: bool
) -> np.ndarray:
    pays = ranks.from_first(bfloat16_pays(torch.device("cpu")))  # measured: all ranks must agree
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=pays)
    of_part = f"features of {name}"
    width = _width(network)
    return outputs_of(network.features, split, width, autocast, progress, of_part, ranks, everywhere=everywhere).numpy()
