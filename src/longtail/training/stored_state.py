"""What a checkpoint holds, checked before training uses it: a damaged one is refused instead of failing in a step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from longtail.runs.fields import Rules, is_count, is_list, is_mapping, is_number, is_object, is_text

FIELDS: Rules = {
    "epoch": ("be a whole number", is_count),
    "step": ("be a whole number", is_count),
    "skipped": ("be a whole number", is_count),
    "seconds": ("be a number", is_number),
    "notes": ("be a list of texts", is_list(is_text)),
    "callbacks": ("be a mapping", is_mapping(is_object)),
    "scaler": ("hold numbers", is_mapping(is_number)),
    "total": ("be a scalar", lambda value: isinstance(value, Tensor) and value.dim() == 0),
}
OF_THE_SHAPE_OF_PARAMETERS = ("momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
"""Moments of SGD, Adam and their like."""


def check_stored(stored: Mapping[str, Any], *, epochs: int, steps: int) -> None:
    """Raise unless the plain values of a checkpoint are of the right kind and range.

    Args:
        stored: as `TrainingState.state_dict` gives it.
        epochs: of the run.
        steps: of an epoch.

    Raises:
        ValueError: a value is of another kind, or beyond the end of the run.
    """
    for name, (rule, holds) in FIELDS.items():
        if name in stored and not holds(stored[name]):
            raise ValueError(f"`{name}` must {rule}")
    if not (1 <= stored["epoch"] <= epochs + 1 and stored["step"] <= steps):
        raise ValueError("`epoch` and `step` must be those of the run")


def load_optimizer(optimizer: torch.optim.Optimizer, stored: Mapping[str, Any]) -> None:
    """Load the state of an optimizer; its options stay those of the configuration.

    Raises:
        ValueError: the state of a parameter is of another kind or shape.
    """
    options = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(stored))
    for group, own in zip(optimizer.param_groups, options, strict=True):
        group.update(own)
    names = {tuple(sorted(state)) for state in optimizer.state.values() if state}
    if len(names) > 1:
        raise ValueError("all parameters must have the same kind of state")
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            _check_entry(parameter, name, value)


def _check_entry(parameter: Tensor, name: str, value: object) -> None:
    if name in OF_THE_SHAPE_OF_PARAMETERS:
        absent = value is None and name == "momentum_buffer"  # of SGD without momentum
        fits = absent or (isinstance(value, Tensor) and value.shape == parameter.shape)
    elif name == "step":
        fits = is_number(value) or (isinstance(value, Tensor) and value.numel() == 1)
    else:
        fits = value is None or isinstance(value, (Tensor, int, float))
    if not fits:
        raise ValueError(f"`{name}` of a parameter must fit it")
