"""Labelled samples of one part of a data set, and the parts of one data set."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np

from longtail.data.features.rows import ROWS_AT_ONCE, FeatureRows
from longtail.data.images.encoded_images import EncodedImages

INPUTS = ("files", "images", "features", "items")


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples with at most one kind of input; labels alone have none.

    Attributes:
        target: (N,) class indices, int64.
        class_names: (C,).
        files: (N,) paths relative to `root`, with forward slashes.
        root: folder of the files.
        images: (N, H, W) or (N, H, W, 3 or 4) uint8.
        features: (N, D) float32, or `FeatureRows`, which reads rows on demand from a large table in a file or in half
            precision.
        feature_names: (D,) names of the columns where they have names.
        items: a map-style data set of (input, label) pairs. Use `target`, not the label of the pair: it may
            count classes in another way.
        groups: (N,) names of groups that must stay together when data are split, or `None`.
        declared: names of the classes that this part itself has, such as its folders, also those without a sample.

    Example:
        >>> samples = Samples(np.array([0, 0, 1]), ("ant", "bee"), features=np.zeros((3, 2), dtype=np.float32))
        >>> samples.kind, samples.class_counts.tolist(), len(samples.take([2]))
        ('features', [2, 1], 1)
    """

    target: np.ndarray
    class_names: tuple[str, ...]
    files: tuple[str, ...] | None = None
    root: Path | None = None
    images: np.ndarray | None = None
    features: np.ndarray | FeatureRows | None = None
    feature_names: tuple[str, ...] | None = None
    items: Any = None
    groups: np.ndarray | None = None
    declared: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)

    @property
    def kind(self) -> str:
        """Which input the samples have: "files", "images", "features", "items" or "labels" for none."""
        return next((name for name in INPUTS if getattr(self, name) is not None), "labels")

    @property
    def kind_in_words(self) -> str:
        """What they hold: images, features or labels alone."""
        return {"features": "features", "labels": "labels alone"}.get(self.kind, "images")

    @property
    def encoded(self) -> EncodedImages | None:
        """The items, where they are images as bytes: these are compared, checked and decoded as files are."""
        return self.items if isinstance(self.items, EncodedImages) else None

    @property
    def class_counts(self) -> np.ndarray:
        """(C,) samples of each class, int64."""
        return np.bincount(self.target, minlength=len(self.class_names))

    @property
    def paths(self) -> list[Path]:
        """The files with their root."""
        return [(self.root or Path()) / name for name in self.files or ()]

    def name(self, index: int) -> str:
        """What to call a sample in a message: its path, the row of its file, or its index, of items in the data set."""
        if self.files is not None:
            return str((self.root or Path()) / self.files[index])
        if self.encoded is not None:
            return self.encoded.names[index]
        places = getattr(self.items, "indices", None)  # of a `Subset`
        return f"sample {index if places is None else places[index]}"

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The samples at these indices, in their order, or where a mask (N,) is true."""
        chosen = np.asarray(indices)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        return replace(
            self,
            target=self.target[chosen],
            **values_of_rows(self, chosen),
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of class names, labels, and relative paths or content (of data set objects, the number of items)."""
        digest = blake2b(digest_size=16)
        for text in (
            self.kind,
            *self.class_names,
            f"{self.target.shape}",
            *(self.feature_names or ()),
            *(self.files or ()),
        ):
            digest.update(_encoded(text) + b"\0")
        digest.update(np.ascontiguousarray(self.target).data)
        if self.encoded is not None:
            digest.update(self.encoded.digest)
        for array in (self.images, self.features):
            if array is not None:
                digest.update(f"{array.shape}".encode())
                for start in range(0, len(array), ROWS_AT_ONCE):
                    digest.update(np.ascontiguousarray(array[start : start + ROWS_AT_ONCE]).data)
        return digest.hexdigest()

    @cached_property
    def content(self) -> str | None:
        """Hash that changes whenever the inputs do, files by their place, size and time of modification.

        `None` for data set objects.
        """
        if self.items is not None and self.encoded is None:
            return None
        digest = blake2b(self.fingerprint.encode(), digest_size=16)
        root = str((self.root or Path()).resolve())
        if self.files is not None:
            digest.update(root.encode(errors="surrogateescape"))
        if self.encoded is not None:
            digest.update(self.encoded.state)
        for name in self.files or ():
            status = os.stat(f"{root}/{name}")  # noqa: PTH116 - a path object each would take twice the time
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of one data set; all share one order of class names.

    Attributes:
        train: samples to train on.
        validation: samples to choose and to fit on, or `None`.
        test: samples to measure by, or `None`.
        notes: what was guessed, left out and split, one sentence each.

    Example:
        >>> samples = Samples(np.array([0, 0, 1]), ("ant", "bee"), features=np.zeros((3, 2), dtype=np.float32))
        >>> parts = Parts(samples.take([0, 2]), test=samples.take([1]))
        >>> {name: part.class_counts.tolist() for name, part in parts.items()}
        {'train': [1, 1], 'test': [1, 0]}
    """

    train: Samples
    validation: Samples | None = None
    test: Samples | None = None
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """(C,), those of every part."""
        return self.train.class_names

    def items(self) -> Iterator[tuple[str, Samples]]:
        """The parts that there are, by name."""
        for name in ("train", "validation", "test"):
            if (part := getattr(self, name)) is not None:
                yield name, part

    def given(self) -> dict[str, Samples]:
        """The same without a `train` that is empty beside others, since the data hold these alone."""
        parts = dict(self.items())
        if not len(self.train) and len(parts) > 1:
            del parts["train"]
        return parts

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all parts: other files, other labels, other names of classes or another order give another."""
        texts = [f"{name} {part.fingerprint}" for name, part in self.items()]
        return blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()


def values_of_rows(part: Any, rows: np.ndarray) -> dict[str, Any]:
    """Inputs and groups of a part at these indices (n,), by name; of a table in a file none is read.

    Args:
        part: `Samples`, or what readers return before their classes are matched (`RawPart`).
        rows: indices.
    """
    features = part.features
    return {
        "files": None if part.files is None else tuple(part.files[row] for row in rows.tolist()),
        "images": _at(part.images, rows),
        "features": features.take(rows) if isinstance(features, FeatureRows) else _at(features, rows),
        "items": None if part.items is None else _subset(part.items, rows),
        "groups": _at(part.groups, rows),
    }


def _encoded(text: str) -> bytes:
    """The bytes of a name: of a path as the file system has it, or of a label of JSON, which may hold any sign."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _at(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[rows]


def _subset(items: Any, indices: np.ndarray) -> Any:
    from torch.utils.data import Subset

    if isinstance(items, EncodedImages):
        return items.take(indices)
    if isinstance(items, Subset):  # one level, however often data are divided
        return Subset(items.dataset, [items.indices[i] for i in indices.tolist()])
    return Subset(items, indices.tolist())
