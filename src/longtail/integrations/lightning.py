"""A callback for Lightning's `Trainer` that tells the losses of a LightningModule about epochs and steps."""

import importlib
from typing import Any

from torch import nn
from torch.utils._pytree import tree_leaves

from longtail.integrations.losses_within import LossesWithin
from longtail.samplers.contract import LongTailedSampler


def _pytorch_lightning() -> Any:
    """Lightning under the name that is installed, `lightning.pytorch` or `pytorch_lightning`."""
    for name in ("lightning.pytorch", "pytorch_lightning"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in ("lightning", "lightning.pytorch", "pytorch_lightning"):
                raise
    raise ModuleNotFoundError(
        "longtail.integrations.lightning needs Lightning: pip install lightning", name="lightning"
    )


class LightningLosses(_pytorch_lightning().Callback):  # type: ignore[misc]
    """Tells the losses of this library in a LightningModule which epoch begins and which batches are one step.

    With `accumulate_grad_batches` a loss that learns counts the batches of a step once. Losses that change in the
    course of training (`DeferredReweighting`) need the epoch. The rest needs no callback: a loss that is an attribute
    of the LightningModule is moved, saved and restored with it, and is plain cross-entropy in validation.

    Raises:
        ValueError: when training begins, the LightningModule holds no loss of this library; or a sampler of this
            library, which divides its draws among the processes itself, was divided once more by the `Trainer`.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> settings = {"accelerator": "cpu", "logger": False}
        >>> trainer = Trainer(callbacks=[LightningLosses()], use_distributed_sampler=False, **settings)

    Source: the hooks of `lightning.pytorch.Callback`.
    """

    def setup(self, trainer: Any, pl_module: nn.Module, stage: str) -> None:
        """Take the losses of the module."""
        self._losses = LossesWithin(pl_module)

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Check losses and samplers."""
        if not self._losses.found():
            raise ValueError(
                f"{type(pl_module).__name__} must hold a loss of longtail as an attribute, such as `self.criterion = "
                "GALALoss(num_classes)` in its `__init__`. It holds none."
            )
        for loader in tree_leaves(trainer.train_dataloader):
            _check_sampler(getattr(loader, "sampler", None))

    def on_train_epoch_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Tell the losses which epoch begins."""
        self._losses.set_epoch(trainer.current_epoch + 1)

    def on_train_batch_start(self, trainer: Any, pl_module: nn.Module, batch: Any, batch_idx: int) -> None:
        """Begin a step, or continue it."""
        self._losses.begin_step()

    def on_before_optimizer_step(self, trainer: Any, pl_module: nn.Module, optimizer: Any) -> None:
        """Let the losses learn from the batches of the step."""
        self._losses.end_step()

    def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Forget the batches of a step that training was stopped in."""
        self._losses.drop_step()

    def on_exception(self, trainer: Any, pl_module: nn.Module, exception: BaseException) -> None:
        """Discard the batches of an unfinished step."""
        self._losses.drop_step()


def _check_sampler(sampler: Any) -> None:
    wrapped = getattr(getattr(sampler, "dataset", None), "_sampler", None)
    if isinstance(wrapped, LongTailedSampler):
        raise ValueError(
            "`use_distributed_sampler` of the Trainer must be False: "
            f"{type(wrapped).__name__} divides its draws among the processes itself."
        )
