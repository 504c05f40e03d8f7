"""The contract of a stage: what is trained, on what, and what comes out. Training knows no particular stage.

A stage of your own is a class and one line: `STAGES["mine"] = StageKind(Mine)`, and `TrainingConfig(stage="mine")`.
A stage with settings of its own brings its configuration: `STAGES["mine"] = StageKind(Mine, (MineConfig,))`. A package
registers a `StageKind` under the entry point group `longtail.stages`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from longtail.data import Augment, Splits, data_config
from longtail.models import Network
from longtail.registry import find_registered
from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.own_config import OwnConfig

Progress = Callable[[str, float], None]
Autocast = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, eq=False)
class StageInput:
    """What a stage is made from.

    Attributes:
        config: resolved.
        splits: of the run.
        augment: of the images of one batch; None where nothing is augmented.
        device: where to train.
        autocast: the precision of forward passes.
        processes: that share each batch.
        first_stage: the complete run that the stage starts from, if one was given.
        progress: is told what is done before training, and the share of it.
    """

    config: TrainingConfig
    splits: Splits
    augment: Augment | None
    device: torch.device
    autocast: Autocast
    processes: int = 1
    first_stage: RunFolder | None = None
    progress: Progress | None = None


class Stage(Protocol):
    """What the experiment asks of a stage."""

    @property
    def model(self) -> nn.Module:
        """What is trained, from the inputs of `batches` to logits (N, C); a checkpoint keeps its `state_dict`."""
        ...

    @property
    def splits(self) -> Splits:
        """The samples as `scored` takes them."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer gets; the loop multiplies the learning rate of a group by its `factor`, if it has one."""
        ...

    def batches(self, default: Epochs) -> Epochs:
        """What is trained on; `default` draws from the training images."""
        ...

    def after_step(self) -> None:
        """Called after each step of the optimizer."""
        ...

    def scored(self) -> nn.Module:
        """What the kept predictions come from, from the inputs of `splits` to logits (N, C)."""
        ...

    def finished(self) -> Network:
        """The network that the stage leaves behind, from images to logits."""
        ...

    def provenance(self) -> dict[str, Any]:
        """What the result says of where the stage started, and under `notes` of how it went."""
        ...


MakeStage = Callable[[StageInput], Stage]


@dataclass(frozen=True)
class StageKind:
    """A stage and its settings.

    Attributes:
        make: the class of the stage, or a function that makes it.
        configs: the classes of its configuration; a run takes the first that has the settings of its data.
    """

    make: MakeStage
    configs: tuple[type[TrainingConfig], ...] = (TrainingConfig, OwnConfig)


STAGES: dict[str, StageKind] = {}


def find_stage(name: str) -> StageKind:
    """The stage of that name, of this package or of another.

    Raises:
        ValueError: there is none.
    """
    return find_registered(STAGES, name, argument="stage", group="longtail.stages")


def config_class(stage: str, dataset: str) -> type[TrainingConfig]:
    """The class of the configuration of a stage on a data set.

    Raises:
        ValueError: there is no such stage, or it does not take such data.
    """
    wanted = data_config(dataset)
    for kind in find_stage(stage).configs:
        if issubclass(kind, wanted):
            return kind
    raise ValueError(f'`stage` must be one for data of the source "{dataset}". Got "{stage}".')


def check_class(config: TrainingConfig) -> None:
    """See that a configuration is of the class that its stage has for its data, as which a run folder is read again.

    Raises:
        ValueError: it is of another, or there is no such stage.
    """
    wanted = config_class(config.stage, config.dataset)
    if type(config) is not wanted:
        raise ValueError(f'`stage` "{config.stage}" needs an `{wanted.__name__}`. Got a {type(config).__name__}.')


def make_stage(given: StageInput) -> Stage:
    """The stage that the configuration names.

    Raises:
        ValueError: there is none of that name, or it can't be made from what is given.
    """
    return find_stage(given.config.stage).make(given)
