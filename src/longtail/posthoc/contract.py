"""The contract of post-hoc methods that add one offset to every class: fit, transform, predict, fold, save, load."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import check_strength
from longtail.class_vectors import as_prior
from longtail.posthoc.folding import Layer, folded
from longtail.posthoc.inputs import Array, as_logits, by_blocks, decisions, like
from longtail.posthoc.parameters import Parameters
from longtail.posthoc.saved import is_number, made_of, read_saved, write_saved

FORMAT = "longtail.offset"
VERSION = 1


@dataclass(eq=False)
class OffsetMethod(Parameters):
    """A post-hoc method whose learned state is `offset_`, (C,) float64, added to the logits.

    Subclasses have at least the parameters `tau` and `target_prior`.
    The dataclass fields are the parameters; they are stored as given and checked by `fit`, as scikit-learn has it.
    """

    _methods: ClassVar[dict[str, type["OffsetMethod"]]] = {}
    _offset: np.ndarray | None = field(default=None, init=False, repr=False)
    _fitted_params: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __init_subclass__(cls) -> None:
        OffsetMethod._methods[cls.__name__] = cls

    @property
    def offset_(self) -> np.ndarray:
        """(C,) float64, read-only: what is added to the logits; −inf for a class that must not be predicted."""
        if self._offset is None:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet: call `fit` first.")
        return self._offset

    def transform(self, logits: Array) -> Array:
        """The re-balanced logits, logits + offset.

        Args:
            logits: (N, C), or (C,) for one sample; numpy or torch, finite.

        Returns:
            The same kind, shape and dtype.

        Raises:
            ValueError: logits that are not finite, or of another number of classes.
        """
        checked = as_logits(logits, num_classes=self.offset_.size)
        offset = self._offset_for(checked, torch.promote_types(checked.dtype, torch.float32))
        return like(logits, by_blocks(checked, lambda rows: rows + offset))

    def predict(self, logits: Array) -> Array:
        """The predicted class of each sample, (N,) int64; arguments and errors as in `transform`."""
        checked = as_logits(logits, num_classes=self.offset_.size)
        return like(logits, decisions(checked, self.offset_))

    def predict_proba(self, logits: Array) -> Array:
        """softmax(logits + offset): class probabilities under the target prior; otherwise as `transform`."""
        checked = as_logits(logits, num_classes=self.offset_.size)
        offset = self._offset_for(checked)
        return like(logits, by_blocks(checked, lambda rows: (rows + offset).softmax(-1)))

    def fold_into(self, linear: Layer) -> Layer:
        """A copy of a classifier's last layer with the offset folded into its bias, which is added if missing.

        Raises:
            TypeError: neither an `nn.Linear` nor a 1 × 1 convolution, nor a subclass that computes the same.
            ValueError: another number of classes, or an offset of −inf, of a class whose target prior is 0.
        """
        return folded(linear, self.offset_)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write method, parameters and offset as JSON, a few bytes per class; the file is written atomically.

        Raises:
            AttributeError: not fitted.
            OSError: the file can't be written.
        """
        offset = self.offset_
        content = {
            "format": FORMAT,
            "version": VERSION,
            "method": type(self).__name__,
            "parameters": self._fitted_params,
            **self._evidence(),
            "num_classes": offset.size,
            "offset": offset,  # −inf, the only value that is not finite, becomes null
        }
        return write_saved(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Nothing in the file is executed.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not such a file, of another version or method, or damaged.
        """
        content = _read(Path(path))
        method = OffsetMethod._methods.get(str(content["method"]))
        if method is None or not issubclass(method, cls):
            raise ValueError(f"`path` must hold a {cls.__name__}. Got a {content['method']} in {path}.")
        loaded = made_of(content["parameters"], method, path)
        loaded._check_parameters(len(content["offset"]))
        offset = [-np.inf if value is None else float(value) for value in content["offset"]]
        loaded._remember(scaled(torch.tensor(offset, dtype=torch.float64), 1.0))
        loaded._restore(content)
        return loaded

    def _check_parameters(self, num_classes: int) -> Tensor:
        """The target prior, (C,), of parameters that have been checked."""
        parameters = self.get_params()
        check_strength("tau", parameters["tau"])
        return as_prior("target_prior", parameters["target_prior"], num_classes)

    def _remember(self, offset: np.ndarray | None) -> None:
        """Keep a new offset and the parameters that it came from; later changes of these change neither."""
        self._offset, self._fitted_params = offset, self.copied_params()

    def _offset_for(self, tensor: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.tensor(self.offset_, dtype=dtype, device=tensor.device)

    def _evidence(self) -> dict[str, Any]:
        """What else a saved file says about the fit."""
        return {}

    def _restore(self, content: dict[str, Any]) -> None:
        """Take over what `_evidence` wrote."""


def scaled(offset: Tensor, tau: float) -> np.ndarray:
    """τ·o, read-only; no offset at all for τ = 0, also where a prior of 0 makes o infinite."""
    result: np.ndarray = np.zeros(offset.numel()) if tau == 0 else (tau * offset).numpy()
    result.setflags(write=False)
    return result


def _read(path: Path) -> dict[str, Any]:
    content = read_saved(path, FORMAT, VERSION)
    offset, parameters = content.get("offset"), content.get("parameters")
    if not isinstance(offset, list) or not isinstance(parameters, dict) or "method" not in content:
        raise ValueError(f"`path` must name a complete file. Got {path}, which lacks fields.")
    if not all(value is None or is_number(value) for value in offset):
        raise ValueError(f"`path` must hold finite numbers as offset. Got something else in {path}.")
    if offset and all(value is None for value in offset):
        raise ValueError(f"`path` must hold an offset for at least one class. Got none in {path}.")
    declared = content.get("num_classes")
    if declared != len(offset) or len(offset) < 2:
        raise ValueError(f"`path` must hold one offset per class. Got {len(offset)} for {declared} classes in {path}.")
    return content
