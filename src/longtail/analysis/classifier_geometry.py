"""Norms of classifier weights and features, and their cosine similarity for the samples of each class."""

import os
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.data import Split
from longtail.models import CLASSIFIERS, Network
from longtail.runs import RunFolder
from longtail.training.network import head_of, trained_network
from longtail.training.outputs import features_of
from longtail.training.run_splits import splits_of_run


class NoClassifierWeightsError(ValueError):
    """The classifier of a network has no weights (C, D)."""


@dataclass(frozen=True, eq=False)
class ClassGeometry:
    """The result of `class_geometry` for one run; NaN for a class without samples.

    Attributes:
        weight_norm: (C,) L2 norm of the classifier weights of each class.
        similarity: "train" and "test" to (C,): mean cosine similarity, in [-1, 1], of the weights of a class and the
            features of its samples.
        feature_norm: "train" and "test" to (C,): mean L2 norm of the features.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import features
        >>> from longtail.training import run_experiment
        >>> y = np.repeat(["otter", "whale"], [60, 30])
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32) + 5 * (y == "whale")[:, None]
        >>> run = run_experiment(features(epochs=5, batch_size=16), data=(X, y), out=tempfile.mkdtemp() + "/run")
        >>> found = class_geometry(run, (X, y))
        >>> bool(found.feature_norm["test"][1] > found.feature_norm["test"][0])  # features of whales are longer
        True
    """

    weight_norm: np.ndarray
    similarity: dict[str, np.ndarray]
    feature_norm: dict[str, np.ndarray]


def classifier_weight_norms(folder: RunFolder) -> np.ndarray:
    """Norm of the classifier weights of each class, (C,), from the stored weights alone.

    Raises:
        ValueError: the run is not complete.
        NoClassifierWeightsError: its classifier has no weights (C, D).

    Example:
        >>> import tempfile
        >>> from longtail.recipes import features
        >>> from longtail.training import run_experiment
        >>> y = np.repeat(["otter", "seal"], [60, 30])
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        >>> run = run_experiment(features(epochs=1, batch_size=16), data=(X, y), out=tempfile.mkdtemp() + "/run")
        >>> norms = classifier_weight_norms(run)
        >>> norms.shape, bool((norms > 0).all())
        ((2,), True)

    Source: figure 1(a) of Zhang et al., ICASSP 2024; Kang et al., ICLR 2020.
    """
    kind = head_of(folder)["classifier"]
    if kind not in CLASSIFIERS:
        raise NoClassifierWeightsError(
            f"`folder` must have a classifier with weights (C, D). {folder.path} ends with a {kind}."
        )
    return np.asarray(classifier_weights(trained_network(folder)).norm(dim=1).double())


def classifier_weights(network: Network) -> Tensor:
    """(C, D) the weights of the classifier.

    Raises:
        NoClassifierWeightsError: its classifier has no weights (C, D).
    """
    weight = getattr(network.classifier, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        raise NoClassifierWeightsError(
            f"A classifier must have weights (C, D). A {type(network.classifier).__name__} has none."
        )
    return weight.detach()


def class_geometry(folder: RunFolder, data: str | os.PathLike[str] | None = None) -> ClassGeometry:
    """Norms and similarities on the training and the test images as they are.

    Args:
        folder: a complete run.
        data: the folder of its data set; digits need none.

    Raises:
        ValueError, FileNotFoundError: the run is not complete, or the data are missing or not those of the run.
        NoClassifierWeightsError: its classifier has no weights (C, D).

    Example:
        >>> import tempfile
        >>> from longtail.recipes import features
        >>> from longtail.training import run_experiment
        >>> y = np.repeat(["otter", "seal"], [60, 30])
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        >>> run = run_experiment(features(epochs=1, batch_size=16), data=(X, y), out=tempfile.mkdtemp() + "/run")
        >>> found = class_geometry(run, (X, y))
        >>> sorted(found.similarity), found.similarity["test"].shape, found.feature_norm["test"].shape
        (['test', 'train'], (2,), (2,))

    Source: figure 1(d) of Zhang et al., ICASSP 2024.
    """
    network = trained_network(folder)
    splits = splits_of_run(folder, data)
    weights = classifier_weights(network)
    measured = {
        name: _by_class(features_of(network, images, nullcontext), images, weights)
        for name, images in (("train", splits.train), ("test", splits.test))
    }
    return ClassGeometry(
        weights.norm(dim=1).double().numpy(),
        {name: similarity for name, (similarity, _) in measured.items()},
        {name: norm for name, (_, norm) in measured.items()},
    )


def _by_class(features: Tensor, images: Split, weights: Tensor) -> tuple[np.ndarray, np.ndarray]:
    target = images.target
    cosine = F.cosine_similarity(features, weights[target], dim=1)
    counts = torch.bincount(target, minlength=len(weights)).double()
    means = [
        torch.bincount(target, values.double(), minlength=len(weights)) / counts
        for values in (cosine, features.norm(dim=1))
    ]
    return means[0].numpy(), means[1].numpy()
