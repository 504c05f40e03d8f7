"""The small file that is served: offsets, temperature, class names, the metric and the evidence."""

import copy
import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from longtail.arguments import as_prior
from longtail.plain_json import to_json
from longtail.posthoc.folding import check_foldable, folded
from longtail.posthoc.inputs import Array, as_logits, decisions, like
from longtail.posthoc.probability_rows import EXACT, look_like_probabilities
from longtail.posthoc.saved import number_within, numbers, read_saved
from longtail.whole_file import write_whole

FORMAT = "longtail.fix"
VERSION = 1
SMALLEST = 1e-6  # temperature
NO_CHANCE = 8  # rows
TAKES = ("logits", "probabilities")


@dataclass(frozen=True, eq=False)
class Fix:
    """What is done to a model's logits, one image at a time, never looking at another.

    Decisions are argmax(z + offset). Probabilities are softmax(z / temperature + probability_offset), calibrated under
    the class prior `prior`. For balanced accuracy and accuracy the most probable class is the decision; for other
    metrics it need not be.

    Attributes:
        offset: (C,) of the decision; zeros where the verdict was to keep the model.
        temperature: T > 0.
        probability_offset: (C,).
        prior: (C,) probabilities.
        class_names: (C,).
        metric: what the decision is good at.
        method: how the offset was found.
        evidence: scores, intervals and sizes that speak for it; plain values.
        cost: (C, C) where the decision is the one of the least expected cost, by the probabilities; else None.
        takes: "logits", or "probabilities" where it was made from those: it is then applied to their logarithms.
        floor: what takes the place of probabilities of 0.

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
    metric: str
    method: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    cost: np.ndarray | None = None
    takes: str = "logits"
    floor: float = 1e-30

    @classmethod
    def from_predictions(cls, source: Any, **options: Any) -> "Fix":
        """The fix of predictions in any form, such as `Fix.from_predictions(trainer.predict(validation))`.

        Args:
            source: labelled predictions on data that the model was not trained on, as `read_predictions` takes them.
            options: those of `read_predictions` (`kind`, `class_names`, `counts`, …) and of `diagnose` (`metric`,
                `prior`, `cost`, `folds`, …).

        Returns:
            What `longtail fix` writes. Its offset is 0 unless the verdict, `evidence["verdict"]`, is "use".

        Raises:
            ValueError, TypeError, FileNotFoundError: as `read_predictions` and `diagnose` do.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> target = rng.integers(0, 3, 900)
            >>> logits = rng.normal(size=(900, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
            >>> Fix.from_predictions((logits, target), class_names=["cat", "dog", "lynx"]).evidence["verdict"]
            'use'
        """
        from longtail.repair.diagnose_predictions import diagnose_predictions  # which imports this module
        from longtail.repair.predictions import read_predictions

        own = [name for name in inspect.signature(read_predictions).parameters if name in options]
        predictions = read_predictions(source, **{name: options.pop(name) for name in own})
        return diagnose_predictions(predictions, **options).fix

    def __call__(self, logits: Array) -> Array:
        """The corrected logits, z + offset, of the same kind, shape and dtype.

        Args:
            logits: (N, C) or (C,), finite; probabilities where the fix takes those.

        Raises:
            ValueError: logits that are not finite, of another number of classes, or not what the fix takes.
        """
        checked, dtype = self._scores(logits)
        return like(logits, (checked.double() + self._tensor(self.offset, checked)).to(dtype))

    def predict(self, logits: Array) -> Array:
        """The decision, class indices (N,) int64; errors as in calling it."""
        checked, _ = self._scores(logits)
        if self.cost is not None:
            probability = self._probabilities(checked, self.probability_offset)
            return like(logits, (probability @ self._tensor(self.cost, checked)).argmin(-1))
        return like(logits, decisions(checked, self.offset))

    def predict_proba(self, logits: Array, prior: str | Sequence[float] | np.ndarray | None = None) -> Array:
        """Calibrated probabilities, of the shape and dtype of the logits.

        Args:
            logits: (N, C) or (C,), finite.
            prior: "uniform", or (C,) how often classes come; by default `self.prior`.

        Raises:
            ValueError: as in calling it; a prior that is not one.
        """
        checked, dtype = self._scores(logits)
        offset = self.probability_offset
        if prior is not None:
            asked = as_prior("prior", prior, len(offset)).numpy()
            if not (asked > 0).all():
                raise ValueError(f"`prior` must be above 0 everywhere. Got {asked.min():g}.")
            offset = offset + np.log(asked) - np.log(self.prior)
        return like(logits, self._probabilities(checked, offset).to(dtype))

    def fold_into(self, module: nn.Module, layer: str | None = None) -> nn.Module:
        """A copy of a model whose last linear layer holds temperature and offset: W / T and (b + offset) / T.

        Its largest output is the decision; it costs nothing at inference where the layer has a bias.

        Args:
            module: an `nn.Linear`, or a model that ends with one.
            layer: the name of that layer, as `named_modules` has it, where a model has several with one output a class
                or something with parameters comes after it.

        Raises:
            ValueError: which layer makes the output is not clear; it has another number of outputs, or shares its
                parameters; a decision by costs, which no linear layer makes.
            TypeError: a layer with hooks or parametrizations, such as weight norm.
        """
        if self.cost is not None:
            raise ValueError("This fix decides by costs, which no linear layer does. Serve it with `predict`.")
        if isinstance(module, nn.Linear):
            return folded(module, self.offset, self.temperature)
        name = _output_layer(module, len(self.offset)) if layer is None else layer
        if name not in dict(module.named_modules()):
            raise ValueError(f"`layer` must be a module of the model. Got {name!r}.")
        check_foldable(module.get_submodule(name), len(self.offset), name)
        _check_unshared(module, name)
        result = copy.deepcopy(module)
        parent, _, own = name.rpartition(".")
        setattr(result.get_submodule(parent), own, folded(result.get_submodule(name), self.offset, self.temperature))  # type: ignore[arg-type]
        return result

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON, a few bytes a class; the file is there whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        content = {
            "format": FORMAT,
            "version": VERSION,
            "metric": self.metric,
            "method": self.method,
            "takes": self.takes,
            **({"floor": self.floor} if self.takes == "probabilities" else {}),
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
        content = read_saved(path, FORMAT, VERSION)
        names = _class_names(content, path)
        prior = numbers(content, "prior", len(names), path)
        if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
            raise ValueError(f"{path} must hold a prior above 0 that sums to 1. It sums to {prior.sum():g}.")
        if content.get("takes") not in TAKES:
            raise ValueError(f"{path} must say whether it takes {' or '.join(TAKES)}. Got {content.get('takes')!r}.")
        missing = [name for name in ("metric", "method") if not isinstance(content.get(name), str)]
        if missing or not isinstance(content.get("evidence"), dict):
            raise ValueError(
                f"`path` must name a complete fix. Got {path}, without {', '.join(missing) or 'evidence'}."
            )
        if class_names is not None and tuple(class_names) != names:
            raise ValueError(f"{path} must be for these classes. {_difference(names, tuple(class_names))}")
        return cls(
            offset=numbers(content, "offset", len(names), path),
            temperature=number_within(content, "temperature", SMALLEST, 1 / SMALLEST, path),
            probability_offset=numbers(content, "probability_offset", len(names), path),
            prior=prior,
            class_names=names,
            metric=content["metric"],
            method=content["method"],
            evidence=content["evidence"],
            cost=_cost(content, len(names), path),
            takes=content["takes"],
            floor=number_within(content, "floor", 0.0, 1.0, path) if "floor" in content else 1e-30,
        )

    def _scores(self, given: Array) -> tuple[Tensor, torch.dtype]:
        """Logits, of probabilities their logarithms, and the dtype of what was given."""
        checked = as_logits(given, num_classes=len(self.offset))
        if not checked.numel():
            return checked, checked.dtype
        summing = look_like_probabilities(checked)
        if self.takes == "logits":
            summing = summing and checked.dim() == 2 and len(checked) >= NO_CHANCE  # one image's logits may sum to 1
        if summing != (self.takes == "probabilities"):
            known = "sum to 1" if self.takes == "logits" else "do not sum to 1"
            raise ValueError(f"`logits` must be {self.takes}, which this fix was made from. Their rows {known}.")
        if self.takes == "logits":
            return checked, checked.dtype
        exact = checked.to(torch.promote_types(checked.dtype, torch.float32))
        total = exact.sum(-1, keepdim=True)
        rounded = (total - 1).abs() >= EXACT
        return torch.where(rounded, exact / total, exact).clamp(min=self.floor).log(), checked.dtype

    def _probabilities(self, logits: Tensor, offset: np.ndarray) -> Tensor:
        centred = logits.double() - logits.double().amax(-1, keepdim=True)  # or a small T would make them overflow
        return (centred / self.temperature + self._tensor(offset, logits)).softmax(-1)

    @staticmethod
    def _tensor(values: np.ndarray, like_this: Tensor) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=like_this.device)


def _class_names(content: dict[str, Any], path: Path) -> tuple[str, ...]:
    names = content.get("classes")
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path} must hold the names of at least two classes. It does not.")
    if len(set(names)) < len(names):
        raise ValueError(f"{path} must hold classes that differ from each other. It does not.")
    return tuple(names)


def _cost(content: dict[str, Any], num_classes: int, path: Path) -> np.ndarray | None:
    rows = content.get("cost")
    if rows is None:
        return None
    if not isinstance(rows, list) or len(rows) != num_classes:
        raise ValueError(f"{path} must hold one finite cost a pair of classes. It does not.")
    return np.stack([numbers({"cost": row}, "cost", num_classes, path) for row in rows])


def _output_layer(module: nn.Module, num_classes: int) -> str:
    """The name of the layer that makes the output, where that is plain to see."""
    modules = dict(module.named_modules())
    of_classes = [name for name, own in modules.items() if type(own) is nn.Linear and own.out_features == num_classes]
    holders = [name for name, own in modules.items() if next(own.parameters(recurse=False), None) is not None]
    if len(of_classes) == 1 and holders and holders[-1] == of_classes[0]:
        return str(of_classes[0])
    found, last = ", ".join(map(repr, of_classes)) or "none", repr(holders[-1]) if holders else "nothing"
    raise ValueError(
        f"`module` must end with an nn.Linear of {num_classes} outputs, one a class, and have one alone; else `layer` "
        f"must name it. Got {found} with so many, and {last} as the last with parameters."
    )


def _check_unshared(module: nn.Module, name: str) -> None:
    own = module.get_submodule(name)
    users = [other for other, part in module.named_modules(remove_duplicate=False) if part is own]
    weights = dict(own.named_parameters(recurse=False)).values()
    holders = [
        holder
        for holder, parameter in module.named_parameters(remove_duplicate=False)
        if any(parameter is weight for weight in weights)
    ]
    if len(users) > 1 or len(holders) > len(list(weights)):
        raise ValueError(
            f"`layer` must not share its parameters with another part of the model. Got {name!r}, which does: "
            f"{', '.join(users if len(users) > 1 else holders)}."
        )


def _difference(stored: tuple[str, ...], asked: tuple[str, ...]) -> str:
    if len(stored) != len(asked):
        return f"It has {len(stored)} classes, not {len(asked)}."
    index = next(i for i, (a, b) in enumerate(zip(stored, asked, strict=True)) if a != b)
    return f"Class {index} is {stored[index]!r} there, not {asked[index]!r}."
