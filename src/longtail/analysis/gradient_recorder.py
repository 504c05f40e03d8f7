"""Records which gradient each classifier receives, and from which class's samples, on any loss."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from longtail.analysis.recorded_gradients import FILE, RecordedGradients
from longtail.arguments import check_integer, check_strength
from longtail.losses.ranks import sum_over_ranks
from longtail.runs.ordinary_file import ordinary
from longtail.training.callbacks import Callback, Plan, Step

MOST_CLASSES = 128
SAVE_SECONDS = 60.0


class GradientRecorder(Callback):
    """A callback that keeps, for each epoch, the gradients of the loss with respect to the logits.

    Of ∂L/∂z_ij, times the batch size, the negative part pulls classifier j towards sample i (the positive gradient of
    the literature), the positive part pushes it away (the negative gradient). Both are summed by classifier j and by
    the class of sample i, over the ranks too, and lie in the run folder as `gradients.npz` (`RecordedGradients.load`).
    It must be among the callbacks from the first step on.

    Args:
        most_classes: largest number of rows and columns of the matrix, at least 1; where there are more classes, these
            are groups of classes of neighbouring frequency.
        save_seconds: least time in seconds between two writes of an unfinished run, at least 0.

    Raises:
        ValueError, TypeError: a setting out of its range.

    Example:
        >>> from longtail.analysis import GradientRecorder
        >>> GradientRecorder().needs_gradients
        True

    Source: figures 1(b) and 1(c) of Zhang et al., "Gradient-Aware Logit Adjustment Loss for Long-tailed Classifier",
    ICASSP 2024.
    """

    needs_gradients = True

    def __init__(self, most_classes: int = MOST_CLASSES, save_seconds: float = SAVE_SECONDS) -> None:
        check_integer("most_classes", most_classes, minimum=1)
        check_strength("save_seconds", save_seconds)
        self.most_classes = most_classes
        self.save_seconds = save_seconds
        self._state: dict[str, Any] = {}

    def on_train_start(self, plan: Plan) -> None:
        """Start recording, or continue the recording of a resumed run.

        Raises:
            ValueError: steps were taken before without it.
        """
        self._folder, self._counts = plan.folder, plan.class_counts
        self._saved_at = time.monotonic()
        if not self._state and (plan.first_epoch, plan.first_step) != (1, 0):
            raise ValueError(
                f"Gradients must be recorded from the first step on. The run in {plan.folder} began without. "
                "Start a new one."
            )
        if self._state and plan.first_step and not _is_first_rank():  # one process kept the sums of all
            for name in ("classifier", "matrix"):
                self._state[name] = torch.zeros_like(self._state[name])
        self._save()

    def on_step_end(self, step: Step) -> None:
        """Add one batch; no value leaves the device."""
        assert step.gradient is not None
        gradient = step.gradient
        if not self._state:
            self._begin(gradient)
        if self._state["matrix"].device != gradient.device:  # a checkpoint is loaded to the CPU
            self._state |= {name: self._state[name].to(gradient.device) for name in ("classifier", "matrix", "group")}
        by_class = _by_class(gradient)
        pull, push = (-by_class).relu_(), by_class.relu_()
        cause = self._causes(step.target)
        for side, received in enumerate((pull, push)):
            self._state["classifier"][side] += received.sum(1).double() * len(gradient)
            self._add_by_cause(self._state["matrix"][side], cause, received, len(gradient))

    def on_train_epoch_end(self) -> None:
        """Add up the sums of all ranks."""
        state = self._state
        state["classifier"], state["matrix"] = sum_over_ranks(None, state["classifier"], state["matrix"])

    def on_epoch_end(self, metrics: Mapping[str, float | int | str]) -> None:
        """Close the epoch."""
        state = self._state
        classifier, matrix = state["classifier"], state["matrix"]
        state["classifiers"].append(classifier.cpu())
        state["matrices"].append(matrix.transpose(1, 2).float().cpu())
        state["classifier"], state["matrix"] = torch.zeros_like(classifier), torch.zeros_like(matrix)
        if time.monotonic() - self._saved_at >= self.save_seconds:
            self._save()

    def on_train_end(self) -> None:
        """Write what there is, also of a run that was stopped."""
        self._save()

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        return dict(self._state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the sums.

        Raises:
            ValueError: they are not those of a recorder of the same classes.
        """
        if state:
            _check_state(state)
        self._state = dict(state)

    def _begin(self, gradient: Tensor) -> None:
        classes, device = gradient.shape[1], gradient.device
        groups = min(classes, self.most_classes)
        self._state = {
            "classifier": torch.zeros(2, classes, dtype=torch.float64, device=device),
            "matrix": torch.zeros(2, groups, groups, dtype=torch.float64, device=device),
            "group": groups_of(self._all_counts(classes), groups).to(device),
            "classifiers": [],
            "matrices": [],
        }

    def _causes(self, target: Tensor) -> Tensor:
        """(N,) the group of each sample, or (G, N) its part in each group."""
        if target.is_floating_point():
            return self._by_group(_by_class(target)).double()
        group: Tensor = self._state["group"][target]
        return group

    def _add_by_cause(self, matrix: Tensor, cause: Tensor, received: Tensor, factor: int) -> None:
        """Add samples to the row of their class of a matrix (cause, classifier)."""
        samples = (self._by_group(received).double() * factor).T
        if cause.is_floating_point():
            matrix += cause @ samples
        else:
            matrix.index_add_(0, cause, samples.contiguous())

    def _by_group(self, by_class: Tensor) -> Tensor:
        """(G, N) sums over the classes of each group."""
        groups = self._state["matrix"].shape[1]
        if groups == len(by_class):
            return by_class
        return by_class.new_zeros(groups, by_class.shape[1]).index_add_(0, self._state["group"], by_class)

    def _all_counts(self, classes: int) -> Tensor:
        return torch.tensor([*self._counts, *[0] * (classes - len(self._counts))])

    def _save(self) -> None:
        if not _is_first_rank():
            return
        self._saved_at = time.monotonic()
        state = self._state
        if not state or not state["classifiers"]:
            RecordedGradients.empty(torch.tensor(self._counts).numpy()).save(self._folder / FILE)
            return
        classifiers = torch.stack(state["classifiers"]).numpy()
        RecordedGradients(
            classifiers[:, 0],
            classifiers[:, 1],
            torch.stack([pair[0] for pair in state["matrices"]]).numpy(),
            torch.stack([pair[1] for pair in state["matrices"]]).numpy(),
            state["group"].cpu().numpy(),
            self._all_counts(classifiers.shape[2]).numpy(),
        ).save(self._folder / FILE)


def _by_class(rows: Tensor) -> Tensor:
    """(C, N), in float32 at least, with contiguous rows: sums over classes then add whole rows."""
    return rows.to(torch.promote_types(rows.dtype, torch.float32)).T.contiguous()


def _is_first_rank() -> bool:
    return not (dist.is_available() and dist.is_initialized() and dist.get_rank() > 0)


def groups_of(class_counts: Tensor, groups: int) -> Tensor:
    """(C,) the group of each class: itself where there are as many groups, else runs of frequency rank of equal length.

    Example:
        >>> groups_of(torch.tensor([5, 100, 20, 50]), 2).tolist()
        [1, 0, 1, 0]
    """
    classes = len(class_counts)
    if groups == classes:
        return torch.arange(classes)
    rank = torch.empty(classes, dtype=torch.int64)
    rank[torch.argsort(class_counts, descending=True, stable=True)] = torch.arange(classes)
    return rank * groups // classes


def is_recorded(run: str | os.PathLike[str]) -> bool:
    """Whether a run folder has a recording."""
    return ordinary(Path(run) / FILE).exists()


def _check_state(state: Mapping[str, Any]) -> None:
    """Raise unless the state of a checkpoint is as `GradientRecorder` keeps it."""
    classifier, matrix, group = state["classifier"], state["matrix"], state["group"]
    classes, groups = classifier.shape[1], matrix.shape[1]
    fits = [
        classifier.shape == (2, classes),
        matrix.shape == (2, groups, groups),
        group.shape == (classes,) and bool(((group >= 0) & (group < groups)).all()),
        isinstance(state["classifiers"], list) and isinstance(state["matrices"], list),
        all(kept.shape == classifier.shape for kept in state["classifiers"]),
        all(kept.shape == matrix.shape for kept in state["matrices"]),
        len(state["classifiers"]) == len(state["matrices"]),
    ]
    if not all(fits):
        raise ValueError("`state` must be that of a recorder of the same classes. It is not.")
