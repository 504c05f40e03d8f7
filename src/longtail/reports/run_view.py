"""A run as a report shows it: what its folder holds, read once."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from longtail.analysis import ClassGeometry, RecordedGradients, class_geometry, class_groups, classifier_weight_norms
from longtail.analysis.classifier_geometry import NoClassifierWeightsError
from longtail.analysis.gradient_recorder import is_recorded
from longtail.data.check import Progress
from longtail.metrics import per_class_recall
from longtail.reports.trained_with import trained_with
from longtail.runs import RunFolder
from longtail.training.run_splits import splits_of_run


class RunView:
    """One run, complete or not.

    Args:
        folder: the run.
        name: what it is called beside others.
        data: the folder of its data set, for what needs images.
        progress: called with the name of a long step and the completed share of it.

    Attributes:
        why_no_images: why the data that it was trained on gave no images, once these were asked for; else `None`.
    """

    def __init__(
        self,
        folder: RunFolder,
        name: str,
        data: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.folder, self.name, self.data, self._progress = folder, name, data, progress
        self.why_no_images: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """As the run folder has it."""
        return dict(self.folder.header["config"])

    @cached_property
    def complete(self) -> bool:
        """Whether it has a result."""
        return self.folder.result is not None

    @property
    def progress(self) -> str:
        """The epoch that it is in, in words."""
        done = self.folder.metrics[-1]["epoch"] if self.folder.metrics else 0
        return f"epoch {done} of {self.config.get('epochs', '?')}"

    @cached_property
    def result(self) -> dict[str, Any]:
        """Of a complete run.

        Raises:
            ValueError: its scores are no numbers.
        """
        result = self.folder.result or {}
        if "test" in result and not _are_scores(result["test"]):
            raise ValueError(
                f"{self.folder.path / 'result.json'} is damaged: its `test` must hold numbers, or null, under the name "
                "of each treatment. Restore the file, or train the run again."
            )
        return result

    @cached_property
    def class_counts(self) -> np.ndarray:
        """(C,) training samples.

        Raises:
            ValueError: the result does not say.
        """
        counts = self.result.get("class_counts")
        if counts is None or "test" not in self.result:
            raise ValueError(
                f"{self.folder.path} must hold the result of a training run. Its result.json is of another kind."
            )
        return np.asarray(counts)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """(C,); numbers for a run of a version that saved no names.

        Raises:
            ValueError: data.json and result.json are of different numbers of classes.
        """
        data = self.folder.data
        if data is None:
            return tuple(map(str, range(len(self.class_counts))))
        names = tuple(data["class_names"])
        if self.complete and len(names) != len(self.class_counts):
            raise ValueError(
                f"{self.folder.path} must hold data.json and result.json of one run. They have {len(names)} and "
                f"{len(self.class_counts)} classes. Restore the files, or train the run again."
            )
        return names

    @property
    def data_name(self) -> str:
        """What it was trained on: the name of a data set, or of the file or folder of the user's own data."""
        origin = (self.folder.data or {}).get("origin")
        return Path(origin).name if origin else str(self.config.get("dataset", "its data"))

    @cached_property
    def groups(self) -> dict[str, np.ndarray]:
        """Many, medium, few, without those that have no class."""
        return {name: own for name, own in class_groups(self.folder).items() if own.any()}

    @cached_property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """Predicted and true classes of the test samples, (N,) each."""
        logits, target = self.folder.load_predictions("test")
        return logits.argmax(1), target

    @cached_property
    def recall(self) -> np.ndarray:
        """(C,) on the test samples; NaN for a class without any."""
        predicted, target = self.test
        return np.asarray(per_class_recall(predicted, target, len(self.class_counts)))

    @cached_property
    def gradients(self) -> RecordedGradients | None:
        """What was recorded, or `None` where nothing was."""
        recorded = RecordedGradients.load(self.folder.path) if is_recorded(self.folder.path) else None
        if recorded is not None and self.complete and len(recorded.class_counts) != len(self.class_counts):
            raise ValueError(
                f"{self.folder.path} must hold a recording of its own {len(self.class_counts)} classes. It has "
                f"{len(recorded.class_counts)}."
            )
        return recorded if recorded is not None and recorded.epochs else None

    @property
    def has_images(self) -> bool:
        """Whether its images can be looked at."""
        return self.complete and (self.origin is not None or self.config.get("dataset") == "digits")

    @property
    def origin(self) -> str | os.PathLike[str] | None:
        """Where its images are: the folder that was named, or the one that it was trained on if that is still there."""
        return self.data if self.data is not None else self.folder.origin

    @cached_property
    def geometry(self) -> ClassGeometry | None:
        """Of classifier weights and features; None where there are no such weights or no images."""
        if (
            not self.has_images
            or self.weight_norms is None
            or (self.data is None and self.config.get("dataset") != "digits")
        ):
            return None  # unasked, the features of large images would take too long
        step = f"{self.name}: features of its training and test images"
        if self._progress is not None:
            self._progress(step, 0.0)
        found = class_geometry(self.folder, self.data)
        if self._progress is not None:
            self._progress(step, 1.0)
        return found

    @cached_property
    def weight_norms(self) -> np.ndarray | None:
        """(C,) norms of the classifier weights; None for a classifier without weights (C, D)."""
        try:
            return classifier_weight_norms(self.folder)
        except NoClassifierWeightsError:
            return None

    def test_images(self, samples: np.ndarray) -> list[np.ndarray] | None:
        """Those test images, (H, W, channels) uint8 each; None where samples are no images, or have changed since.

        Raises:
            ValueError, OSError: data that were named are missing, damaged or not those of the run.
        """
        try:
            splits = splits_of_run(self.folder, self.origin)
        except (ValueError, OSError) as error:
            if self.data is not None:
                raise
            self.why_no_images = str(error)  # the data that it was trained on, which nobody named, have changed since
            return None
        return splits.test.pictures(samples)


def _are_scores(test: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether each treatment has one number per score, not one per class, and one treatment is the model as it is."""
    return "raw" in test and not any(isinstance(value, list) for row in test.values() for value in row.values())


def run_views(
    folders: Sequence[RunFolder],
    data: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[RunView]:
    """Runs named by what tells them apart: what they were trained with if that does, else also the seed, or the folder.

    Raises:
        ValueError: no run, one run twice, or runs on other classes.
    """
    if not folders:
        raise ValueError("`runs` must hold at least one run. Got none.")
    paths = [folder.path.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(f"`runs` must differ from each other. Got {twice} twice.")
    losses = [_method(folder) for folder in folders]
    sets = {tuple(folder.header["config"].get(name) for name in ("dataset", "imbalance")) for folder in folders}
    if len(sets) > 1:
        found = " and ".join(f"{dataset}, imbalance {imbalance}" for dataset, imbalance in sorted(sets, key=str))
        raise ValueError(f"`runs` must be on the same data. Got {found}.")
    seeded = [f"{loss}, seed {folder.header.get('seed')}" for loss, folder in zip(losses, folders, strict=True)]
    names = next(
        (names for names in (losses, seeded, [p.name for p in paths]) if len(set(names)) == len(names)),
        list(map(str, paths)),
    )
    runs = [RunView(folder, name, data, progress) for folder, name in zip(folders, names, strict=True)]
    _check_same_classes([run for run in runs if run.complete])
    return runs


def _check_same_classes(runs: Sequence[RunView]) -> None:
    for run in runs:
        own, first = run.class_counts, runs[0].class_counts
        if len(own) != len(first) or (own != first).any():
            raise ValueError(
                f"`runs` must have equally many training samples per class. Got others in {run.folder.path}."
            )
        if run.folder.data and runs[0].folder.data and run.class_names != runs[0].class_names:
            raise ValueError(f"`runs` must have the same classes. Got others in {run.folder.path}.")


def _method(folder: RunFolder) -> str:
    """What it was trained with; of a second stage its name and what it comes after."""
    config = folder.header["config"]
    if not config.get("second_stage"):
        return trained_with(config) if "loss" in config else folder.path.name
    first = (folder.result or {}).get("first_stage", {}).get("config", {})
    return f"{config['second_stage']} after {trained_with(first) if 'loss' in first else 'another run'}"
