"""The contract of a stage: what is trained, on what, and the network that results. Training knows no particular stage.

A stage of your own is a class and one line, `STAGES["mine"] = StageKind(Mine)`; `TrainingConfig(stage="mine")` uses it.
A stage with settings of its own has its own configuration: `STAGES["mine"] = StageKind(Mine, (MineConfig,))`. A package
registers a `StageKind` under the entry point group `longtail.stages`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from longtail.data import Augment, Splits, data_config
from longtail.data.check import Progress
from longtail.models import Network
from longtail.registry import find_registered
from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.outputs import Autocast
from longtail.training.own_config import OwnConfig
from longtail.training.ranks import ALONE, Ranks


@dataclass(frozen=True, eq=False)
class StageInput:
    """The inputs of a stage.

    Attributes:
        config: the configuration of the run, with no setting left to be chosen.
        splits: of the run.
        augment: augments the images of a batch; `None` for no augmentation.
        device: where to train.
        autocast: returns the context of forward passes, which sets their precision.
        first_stage: the complete run that the stage starts from, if one was given.
        progress: called with the name of a step before training and its finished share, in [0, 1].
        ranks: the processes that share each batch; each may compute a block of the samples.

    Example:
        >>> from contextlib import nullcontext
        >>> from longtail.data import load_splits
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import STAGES
        >>> config, cpu = digits_lt(), torch.device("cpu")
        >>> splits = load_splits(config, None, cpu)
        >>> stage = STAGES["scratch"].make(StageInput(config, splits, augment=None, device=cpu, autocast=nullcontext))
        >>> stage.model(torch.zeros(2, *splits.info.input_shape)).shape
        torch.Size([2, 10])
    """

    config: TrainingConfig
    splits: Splits
    augment: Augment | None
    device: torch.device
    autocast: Autocast
    first_stage: RunFolder | None = None
    progress: Progress | None = None
    ranks: Ranks = ALONE


class Stage(Protocol):
    """The contract of a stage: what `run_experiment` asks of it.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import STAGES, Scratch, StageKind, run_experiment
        >>> class MaxNorm(Scratch):  # a stage of your own
        ...     def after_step(self):
        ...         with torch.no_grad():
        ...             self.model.classifier.weight.renorm_(2, 0, 0.5)
        >>> STAGES["max-norm"] = StageKind(MaxNorm)
        >>> run = run_experiment(digits_lt(stage="max-norm", epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> bool((run.load_weights()["model"]["classifier.weight"].norm(dim=1) < 0.501).all())
        True
        >>> del STAGES["max-norm"]
    """

    @property
    def model(self) -> nn.Module:
        """The model to train, from the inputs of `batches` to logits (N, C); a checkpoint has its `state_dict`."""
        ...

    @property
    def splits(self) -> Splits:
        """The samples as `scored` takes them."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups of the optimizer; the learning rate of a group is multiplied by its `factor`, if any."""
        ...

    def batches(self, default: Epochs) -> Epochs:
        """The batches to train on; `default` draws from the training samples."""
        ...

    def after_step(self) -> None:
        """Called after each step of the optimizer."""
        ...

    def scored(self) -> nn.Module:
        """The network whose predictions are kept, from the inputs of `splits` to logits (N, C)."""
        ...

    def finished(self) -> Network:
        """The network that is kept, from the inputs of the run to logits."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Entries of the result on where the stage started, and `notes` on how it went."""
        ...


MakeStage = Callable[[StageInput], Stage]


@dataclass(frozen=True)
class StageKind:
    """A stage and the classes of its settings, an entry of `STAGES`.

    Attributes:
        make: the class of the stage, or a function that makes it.
        configs: the classes of its configuration; a run uses the first that has the settings of its data.

    Example:
        >>> from longtail.training import STAGES, SecondStage
        >>> kind = STAGES["second-stage"]
        >>> kind.make is SecondStage, [config.__name__ for config in kind.configs]
        (True, ['SecondStageConfig', 'OwnSecondStageConfig'])
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
    """Check that a configuration is of the class that its stage has for its data, by which a run folder is read.

    Raises:
        ValueError: it is of another class, or there is no such stage.
    """
    wanted = config_class(config.stage, config.dataset)
    if type(config) is not wanted:
        raise ValueError(f'`stage` "{config.stage}" needs an `{wanted.__name__}`. Got a {type(config).__name__}.')


def make_stage(given: StageInput) -> Stage:
    """The stage that the configuration names.

    Raises:
        ValueError: there is none of that name, or it can't be made from these inputs.
    """
    return find_stage(given.config.stage).make(given)
