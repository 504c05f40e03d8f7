"""The stage `scratch`: a whole network is trained from its initial weights."""

from typing import Any

import torch

from longtail.models import Network
from longtail.training.epochs import Epochs
from longtail.training.network import make_network
from longtail.training.stages import STAGES, StageInput, StageKind


class Scratch:
    """The stage that trains a whole network from its initial weights (stage "scratch", the default).

    Args:
        given: the configuration and the splits.

    Raises:
        ValueError: a first stage.

    Example:
        >>> from contextlib import nullcontext
        >>> from longtail.data import load_splits
        >>> from longtail.recipes import digits_lt
        >>> cpu, config = torch.device("cpu"), digits_lt()
        >>> stage = Scratch(StageInput(config, load_splits(config, None, cpu), None, cpu, nullcontext))
        >>> stage.finished().classifier
        Linear(in_features=64, out_features=10, bias=True)
    """

    def __init__(self, given: StageInput) -> None:
        config = given.config
        if given.first_stage is not None:
            raise ValueError("`first_stage` must be left out except for a SecondStageConfig.")
        self.splits = given.splits
        network = make_network(config, len(given.splits.info.class_names), given.splits.info).to(given.device)
        self.model = network.to(memory_format=torch.channels_last) if config.channels_last == "on" else network

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters."""
        return [{"params": list(self.model.parameters())}]

    def batches(self, default: Epochs) -> Epochs:
        """The training samples."""
        return default

    def after_step(self) -> None:
        """Do nothing."""

    def scored(self) -> Network:
        """The network itself."""
        return self.model

    def finished(self) -> Network:
        """The network itself."""
        return self.model

    def provenance(self) -> dict[str, Any]:
        """No entries: all is in the configuration."""
        return {}


STAGES["scratch"] = StageKind(Scratch)
