"""The trained network of a run, with its input, classes and fix for an export."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from longtail.data import DataConfig, DataInfo
from longtail.data.built_in.sources import SIDES
from longtail.export.class_matching import match_classes
from longtail.export.onnx_input import FeatureInput, ImageInput, OnnxInput
from longtail.models import Network
from longtail.repair import Fix
from longtail.runs import RunFolder
from longtail.training import TrainingConfig, stored_config, trained_network
from longtail.training.network import head_of


@dataclass(frozen=True, eq=False)
class RunModel:
    """The network of a complete run, its input, its classes, and the fix that is exported with it.

    Attributes:
        folder: of the run.
        network: from normalised images or from features to logits, without the fix.
        config: of the run.
        info: the `data.json` of the run; `None` for older runs without one.
        fix: with its classes in the order of the logits; `None` for the network alone.
        notes: where the fix is from, and how its classes were matched.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> run = run_experiment(digits_lt(epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> RunModel.open(run.path).onnx_input.shape
        (1, 8, 8)
    """

    folder: RunFolder
    network: Network
    config: TrainingConfig
    info: DataInfo | None
    fix: Fix | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        fix: Fix | str | os.PathLike[str] | None = "run",
        *,
        assume_order: bool = False,
    ) -> Self:
        """Read a run.

        Args:
            path: of the run folder.
            fix: "run" for the `fix.json` of the run, if it has one, which `longtail predict` applies; `None` for the
                network alone; or a fix or its file.
            assume_order: assume that classes of the fix are in the order of the logits if either has no names.

        Raises:
            FileNotFoundError: no run, or no file of that name.
            ValueError: the run is not complete, or the fix is of other classes.
        """
        folder = RunFolder.open(path)
        network = trained_network(folder)
        info = None if folder.data is None else DataInfo.from_json(folder.data)
        model = cls(folder, network, stored_config(folder), info)
        return model if fix is None else model._with(fix, assume_order)

    @property
    def num_classes(self) -> int:
        """C."""
        return int(head_of(self.folder)["num_classes"])

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """(C,) in the order of the logits; `None` if neither run nor fix has names."""
        if self.info is not None:
            return self.info.class_names
        return None if self.fix is None else self.fix.class_names

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of images, (D,) of features."""
        return _shape_of_an_older_run(self.config) if self.info is None else self.info.input_shape

    @property
    def onnx_input(self) -> OnnxInput:
        """The input of its ONNX file."""
        info, config = self.info, self.config
        if info is None:
            return ImageInput(self.input_shape, config.mean, config.std)
        if len(info.input_shape) == 1:
            return FeatureInput(info.input_shape[0], info.feature_names)
        return ImageInput(info.input_shape, info.mean, info.std, info.crop_pct, info.interpolation)

    def _with(self, fix: Fix | str | os.PathLike[str], assume_order: bool) -> Self:
        own = self.folder.fix_path
        if fix == "run":
            if not own.is_file():
                return dataclasses.replace(self, notes=("no fix: the run has no fix.json",))
            file, origin = own, f"fix: {own}, which longtail predict applies too; --fix none leaves it out"
        elif not isinstance(fix, Fix):
            file, origin = Path(fix), f"fix: {fix}"
        found = fix if isinstance(fix, Fix) else Fix.load(file)
        matched, how = match_classes(
            found, self.num_classes, self.class_names, str(self.folder.path), assume_order=assume_order
        )
        notes = (how,) if isinstance(fix, Fix) else (origin, how)
        return dataclasses.replace(self, fix=matched, notes=notes)


def _shape_of_an_older_run(config: DataConfig) -> tuple[int, int, int]:
    """(C, H, W) of a run without `data.json`, which is on a built-in data set."""
    side = SIDES[config.dataset] // config.shrink
    return len(config.mean), side, side
