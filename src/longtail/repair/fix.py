"""The small file that is served: offsets, temperature, class names, the goal and the evidence."""

import copy
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from longtail.plain_json import to_json
from longtail.posthoc.inputs import Array, as_logits, decisions, like
from longtail.whole_file import write_whole

FORMAT = "longtail.fix"
VERSION = 1


@dataclass(frozen=True, eq=False)
class Fix:
    """What is done to a model's logits, one image at a time, never looking at another.

    Decisions are argmax(z + offset). Probabilities are softmax(z / temperature + probability_offset), calibrated where
    classes come as `prior` says. For the goals balanced accuracy and accuracy the most probable class is the decision;
    for others it need not be.

    Attributes:
        offset: (C,) of the decision; zeros where the verdict was to keep the model.
        temperature: T > 0.
        probability_offset: (C,).
        prior: (C,) probabilities.
        class_names: (C,).
        goal: what the decision is good at.
        method: how the offset was found.
        evidence: scores, intervals and sizes that speak for it; plain values.
        cost: (C, C) where the decision is the one of the least expected cost, by the probabilities; else None.

    Example:
        >>> even = np.array([0.5, 0.5])
        >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), even, ("cat", "lynx"), "accuracy", "by hand")
        >>> fix.predict(np.array([[1.0, 0.0], [3.0, 0.0]]))
        array([1, 0])
        >>> fix(np.array([1.0, 0.0]))
        array([0., 1.])
    """

    offset: np.ndarray
    temperature: float
    probability_offset: np.ndarray
    prior: np.ndarray
    class_names: tuple[str, ...]
    goal: str
    method: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    cost: np.ndarray | None = None

    def __call__(self, logits: Array) -> Array:
        """The corrected logits, z + offset, of the same kind, shape and dtype.

        Raises:
            ValueError: logits that are not finite, or of another number of classes.
        """
        checked = as_logits(logits, num_classes=len(self.offset))
        return like(logits, (checked.double() + self._tensor(self.offset, checked)).to(checked.dtype))

    def predict(self, logits: Array) -> Array:
        """The decision, class indices (N,) int64; errors as in calling it."""
        checked = as_logits(logits, num_classes=len(self.offset))
        if self.cost is not None:
            probability = self._probabilities(checked, self.probability_offset)
            return like(logits, (probability @ self._tensor(self.cost, checked)).argmin(-1))
        return like(logits, decisions(checked, self.offset))

    def predict_proba(self, logits: Array, prior: Sequence[float] | np.ndarray | None = None) -> Array:
        """Calibrated probabilities, of the shape and dtype of the logits.

        Args:
            logits: (N, C) or (C,), finite.
            prior: (C,) how often classes come; by default `self.prior`.

        Raises:
            ValueError: as in calling it; a prior that is not one.
        """
        checked = as_logits(logits, num_classes=len(self.offset))
        offset = self.probability_offset
        if prior is not None:
            offset = offset + np.log(_checked_prior(prior, len(offset))) - np.log(self.prior)
        return like(logits, self._probabilities(checked, offset).to(checked.dtype))

    def fold_into(self, module: nn.Module) -> nn.Module:
        """A copy of a model whose last linear layer holds temperature and offset: W / T and (b + offset) / T.

        Its largest output is the decision; it costs nothing at inference where the layer has a bias.

        Raises:
            ValueError: no `nn.Linear` with one output a class; a decision by costs, which no linear layer makes.
        """
        if self.cost is not None:
            raise ValueError("This fix decides by costs, which no linear layer does. Serve it with `predict`.")
        folded = copy.deepcopy(module)
        layers = [layer for layer in folded.modules() if type(layer) is nn.Linear]
        if not layers or layers[-1].out_features != len(self.offset):
            found = f"{layers[-1].out_features} outputs" if layers else "none"
            raise ValueError(
                f"`module` must end with an nn.Linear of {len(self.offset)} outputs, one a class. Got {found}."
            )
        layer = layers[-1]
        offset = self._tensor(self.offset, layer.weight)
        bias = offset if layer.bias is None else layer.bias.detach().double() + offset
        with torch.no_grad():
            layer.weight.copy_(layer.weight.double() / self.temperature)
            layer.bias = nn.Parameter((bias / self.temperature).to(layer.weight.dtype))
        return folded

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON, a few bytes a class; the file is there whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        content = {
            "format": FORMAT,
            "version": VERSION,
            "goal": self.goal,
            "method": self.method,
            "temperature": self.temperature,
            "evidence": dict(self.evidence),
            "classes": list(self.class_names),
            "offset": self.offset,
            "probability_offset": self.probability_offset,
            "prior": self.prior,
            **({} if self.cost is None else {"cost": self.cost}),
        }
        with write_whole(path) as file:
            file.write((to_json(content, indent=1) + "\n").encode())
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], class_names: Sequence[str] | None = None) -> Self:
        """Read what `save` wrote. Nothing in the file is executed.

        Args:
            path: of the file.
            class_names: those of the model that it is to serve; others in the file are refused.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not such a file, of another version, damaged, or of other classes.
        """
        path = Path(path)
        content = _read(path)
        numbers = {}
        for name in ("offset", "probability_offset", "prior"):
            numbers[name] = np.asarray(content[name], dtype=np.float64)
            if numbers[name].shape != (len(content["classes"]),) or not np.isfinite(numbers[name]).all():
                raise ValueError(f"{path} must hold one finite number a class as {name}. It does not.")
        names = tuple(str(name) for name in content["classes"])
        if class_names is not None and tuple(class_names) != names:
            raise ValueError(f"{path} must be for these classes. {_difference(names, tuple(class_names))}")
        cost = content.get("cost")
        if cost is not None:
            cost = np.asarray(cost, dtype=np.float64)
            if cost.shape != (len(names), len(names)) or not np.isfinite(cost).all():
                raise ValueError(f"{path} must hold one finite cost a pair of classes. It does not.")
        return cls(
            **numbers,
            cost=cost,
            temperature=float(content["temperature"]),
            class_names=names,
            goal=str(content["goal"]),
            method=str(content["method"]),
            evidence=content["evidence"],
        )

    def _probabilities(self, logits: Tensor, offset: np.ndarray) -> Tensor:
        return (logits.double() / self.temperature + self._tensor(offset, logits)).softmax(-1)

    @staticmethod
    def _tensor(values: np.ndarray, like_this: Tensor) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=like_this.device)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"`path` must name a fix that was saved. Got {path}, which is not one or is damaged.")
    if content.get("version") != VERSION:
        raise ValueError(
            f"`path` must hold version {VERSION} of a fix. Got version {content.get('version')} in {path}. "
            "Was it written by a newer longtail?"
        )
    expected = ("goal", "method", "temperature", "evidence", "classes", "offset", "probability_offset", "prior")
    missing = [name for name in expected if name not in content]
    if missing or not isinstance(content["classes"], list) or not isinstance(content["temperature"], int | float):
        raise ValueError(f"`path` must name a complete fix. Got {path}, without {', '.join(missing) or 'classes'}.")
    if not content["temperature"] > 0:
        raise ValueError(f"{path} must hold a temperature above 0. Got {content['temperature']}.")
    return content


def _difference(stored: tuple[str, ...], asked: tuple[str, ...]) -> str:
    if len(stored) != len(asked):
        return f"It has {len(stored)} classes, not {len(asked)}."
    index = next(i for i, (a, b) in enumerate(zip(stored, asked, strict=True)) if a != b)
    return f"Class {index} is {stored[index]!r} there, not {asked[index]!r}."


def _checked_prior(prior: Sequence[float] | np.ndarray, num_classes: int) -> np.ndarray:
    values = np.asarray(prior, dtype=np.float64)
    if values.shape != (num_classes,) or not (values > 0).all() or abs(values.sum() - 1) > 1e-6:
        raise ValueError(f"`prior` must hold {num_classes} probabilities above 0 that sum to 1. Got {values.sum():g}.")
    return values
