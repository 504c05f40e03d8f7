"""The contract of what is learnt from: disjoint splits, whose samples a training loop, an evaluation and a report read.

A source makes `Splits` from settings and the user's data. What kind of split it makes is its own affair: images that
stay in memory, files that are decoded ahead of the step, a table of features.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Augments a batch of images (N, C, H, W) uint8, each by draws of its own."""


@runtime_checkable
class Split(Protocol):
    """Labelled samples of one split.

    Attributes:
        target: (N,) int64, on the device of the training.

    Example:
        >>> from longtail.data import FeatureViews
        >>> split = FeatureViews(torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]]), torch.tensor([0, 1, 1]))
        >>> isinstance(split, Split), len(split)
        (True, 3)
        >>> torch.cat([inputs.argmax(1) for inputs in split.in_order()]) == split.target
        tensor([ True,  True, False])
    """

    @property
    def target(self) -> Tensor:
        """(N,) int64, on the device of the training."""
        ...

    def __len__(self) -> int: ...

    def in_order(self) -> Iterator[Tensor]:
        """The input of the network for all samples as they are, batch by batch, for evaluation."""
        ...

    def batches(
        self,
        order: Tensor,
        parts: Sequence[slice],
        *,
        augment: Augment | None,
        generator: torch.Generator,
        each_once: bool,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and labels of some batches of an epoch.

        What a sample becomes depends on `order`, its position in it and the state of `generator` alone, so that an
        epoch that is resumed shows the same.

        Args:
            order: (M,) indices of the samples of the whole epoch.
            parts: the parts of `order` that are wanted, one per batch.
            augment: drawn for each position.
            generator: seeded for the epoch.
            each_once: whether `order` holds each sample once, so that one augmented copy of each will do.
        """
        ...

    def augmented(self, augment: Augment | None, generator: torch.Generator) -> "Split":
        """The same samples, each augmented once."""
        ...

    def pictures(self, indices: np.ndarray) -> list[np.ndarray] | None:
        """(H, W, channels) uint8 of some samples, for reports; None where samples are no images."""
        ...


@dataclass(frozen=True, eq=False)
class DataInfo:
    """What a run folder keeps of its data, and what evaluation, prediction and export match by.

    Attributes:
        class_names: (C,) in the order of the logits.
        class_counts: (C,) training samples.
        interpolation: of resizing.
        feature_names: (D,) of features whose columns have names.
        input_shape: of one sample as the network takes it, without the batch.
        mean, std: per channel, of images in [0, 1]; empty for features.
        crop_pct: share of the resized image that the centre crop keeps, where images are resized.
        fingerprint: of samples and labels; data of another fingerprint are other data.
        notes: what was left out or made by the source.
        origin: the path that the data were read from, where reports look for pictures.
        held_out: which samples were held out of training, where the source divided the data: plain values.

    Example:
        >>> stored = {"class_names": ["otter", "seal"], "class_counts": [60, 30], "input_shape": [4]}
        >>> info = DataInfo.from_json(stored)  # of a run: DataInfo.from_json(folder.data)
        >>> info.class_names, info.class_counts, info.input_shape, info.mean
        (('otter', 'seal'), (60, 30), (4,), ())
    """

    class_names: tuple[str, ...]
    class_counts: tuple[int, ...]
    input_shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    crop_pct: float = 1.0
    interpolation: str = "bicubic"
    feature_names: tuple[str, ...] | None = None
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    origin: str | None = None
    held_out: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "DataInfo":
        """What a run folder holds.

        Raises:
            ValueError: a field that this version does not know.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(stored) - known):
            raise ValueError(f"data.json must hold known fields. Got {', '.join(unknown)}. From a newer longtail?")
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
        return cls(**settings)


@dataclass(frozen=True, eq=False)
class Splits:
    """The disjoint splits of a run, as a source returns them and a stage takes them.

    Attributes:
        train: samples to train on.
        validation: samples held out of training; may be empty.
        test: samples to score on.
        info: what the run folder stores about the data.

    Example:
        >>> from longtail.data import FeatureViews
        >>> train, held_out, test = (FeatureViews(torch.zeros(1, n, 4), torch.arange(n) % 2) for n in (6, 1, 2))
        >>> splits = Splits(train, held_out, test, DataInfo(("otter", "seal"), class_counts=(3, 3), input_shape=(4,)))
        >>> splits.class_counts, splits.of_features, splits.holds_out_every_class
        (tensor([3, 3]), True, False)
    """

    train: Split
    validation: Split
    test: Split
    info: DataInfo

    @property
    def class_counts(self) -> Tensor:
        """(C,) training samples of each class."""
        return torch.tensor(self.info.class_counts)

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for coloured ones; the number of features."""
        return self.info.input_shape[0]

    @property
    def of_features(self) -> bool:
        """Whether a sample is a row of numbers, which needs no backbone, and not an image."""
        return len(self.info.input_shape) == 1

    @property
    def holds_out_every_class(self) -> bool:
        """Whether something can be fitted on, or chosen by, held-out samples: every class has one."""
        counts = torch.bincount(self.validation.target, minlength=len(self.info.class_names))
        return bool((counts > 0).all())
