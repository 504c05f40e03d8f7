"""The contract of a stage: what is trained, on what, and what comes out. Training knows no particular stage.

A stage of your own is a function and one line: `STAGES["mine"] = my_stage`, and `TrainingConfig(stage="mine")`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from longtail.arguments import check_choice
from longtail.data import Augment, Splits
from longtail.models import Network
from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.network import make_network

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
    """

    config: TrainingConfig
    splits: Splits
    augment: Augment | None
    device: torch.device
    autocast: Autocast
    processes: int = 1
    first_stage: RunFolder | None = None


class Stage(Protocol):
    """What the experiment asks of a stage."""

    @property
    def model(self) -> nn.Module:
        """What is trained, from the inputs of `batches` to logits (N, C); a checkpoint keeps its `state_dict`."""
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

    def finished(self) -> Network:
        """The network that the stage leaves behind, from images to logits."""
        ...

    def provenance(self) -> dict[str, Any]:
        """What the result says of where the stage started, and under `notes` of how it went."""
        ...


class Scratch:
    """A network trained from its initial weights, all of it."""

    def __init__(self, given: StageInput) -> None:
        config = given.config
        if given.first_stage is not None:
            raise ValueError("`first_stage` must be left out but for a SecondStageConfig.")
        network = make_network(config, len(given.splits.info.class_names), given.splits.channels).to(given.device)
        self.model = network.to(memory_format=torch.channels_last) if config.channels_last == "on" else network

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters."""
        return [{"params": list(self.model.parameters())}]

    def batches(self, default: Epochs) -> Epochs:
        """The training images."""
        return default

    def after_step(self) -> None:
        """Nothing."""

    def finished(self) -> Network:
        """The network itself."""
        return self.model

    def provenance(self) -> dict[str, Any]:
        """Nothing."""
        return {}


MakeStage = Callable[[StageInput], Stage]

STAGES: dict[str, MakeStage] = {"scratch": Scratch}


def make_stage(given: StageInput) -> Stage:
    """The stage that the configuration names.

    Raises:
        ValueError: there is none of that name, or it can't be made from what is given.
    """
    check_choice("stage", given.config.stage, list(STAGES))
    return STAGES[given.config.stage](given)
