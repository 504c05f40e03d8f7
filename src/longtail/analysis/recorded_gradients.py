"""What a `GradientRecorder` kept of a run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from longtail.array_headers import ArrayFile
from longtail.runs.ordinary_file import ordinary
from longtail.whole_file import write_whole

FILE = "gradients.npz"


@dataclass(frozen=True, eq=False)
class RecordedGradients:
    """Gradients of the loss with respect to the logits, sums over the samples of each epoch, all ≥ 0.

    Attributes:
        positive: (E, C) what pulled each classifier towards samples.
        negative: (E, C) what pushed it away.
        positive_by_cause: (E, G, G) the same by classifier and by the class of the sample that caused it.
        negative_by_cause: (E, G, G).
        group: (C,) the row and column of each class: itself, or its group where there are too many classes.
        class_counts: (C,) training samples.

    Example:
        >>> one, causes = np.ones((1, 2)), np.ones((1, 2, 2))
        >>> RecordedGradients(one, 4 * one, causes, 2 * causes, np.arange(2), np.array([9, 1])).ratio
        array([0.25, 0.25])
    """

    positive: np.ndarray
    negative: np.ndarray
    positive_by_cause: np.ndarray
    negative_by_cause: np.ndarray
    group: np.ndarray
    class_counts: np.ndarray

    @classmethod
    def empty(cls, class_counts: np.ndarray) -> Self:
        """Of a run that has not finished an epoch."""
        classes = len(class_counts)
        none, nothing = np.zeros((0, classes)), np.zeros((0, classes, classes))
        return cls(none, none, nothing, nothing, np.arange(classes), class_counts)

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> Self:
        """Of a run folder.

        Raises:
            FileNotFoundError: it has none: train with `--record-gradients`.
            ValueError: the file is damaged.
        """
        path = ordinary(Path(run) / FILE)
        if not path.exists():
            raise FileNotFoundError(f"{run} must hold {FILE}: train with --record-gradients. It does not.")
        try:
            arrays = ArrayFile(path)
            _check_shapes(arrays.shapes)
            return cls(**{name: _numbers(arrays[name]) for name in cls.__dataclass_fields__})
        except (ValueError, LookupError) as error:
            raise ValueError(f"{path} must be a recording. It could not be read: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it, whole or not at all."""
        with write_whole(ordinary(Path(path))) as file:
            np.savez(file, **{name: getattr(self, name) for name in self.__dataclass_fields__})
        return Path(path)

    @property
    def epochs(self) -> int:
        """How many are recorded."""
        return len(self.positive)

    @property
    def ratio(self) -> np.ndarray:
        """(C,) positive over negative gradient of the whole run; NaN for a classifier that nothing pushed away."""
        positive, negative = self.positive.sum(0), self.negative.sum(0)
        return np.asarray(np.divide(positive, negative, out=np.full(len(negative), np.nan), where=negative > 0))


def _check_shapes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare the shapes of all arrays before any is read."""
    epochs, classes = shapes["positive"]
    groups = shapes["positive_by_cause"][-1]
    matrices = (epochs, groups, groups)
    expected = {
        "positive": (epochs, classes),
        "negative": (epochs, classes),
        "positive_by_cause": matrices,
        "negative_by_cause": matrices,
        "group": (classes,),
        "class_counts": (classes,),
    }
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise ValueError(f"the array {name!r} must be of the shape {shape}. Got {shapes[name]}")


def _numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iuf":
        raise ValueError(f"arrays must hold numbers. Got {array.dtype}")
    return array
