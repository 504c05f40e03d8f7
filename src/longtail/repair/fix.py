"""The correction of a model: offsets, temperature, class names, metric and evidence."""

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import check_keywords
from longtail.class_vectors import as_prior
from longtail.posthoc.inputs import Array, as_logits, decisions, like
from longtail.posthoc.probability_rows import EXACT, look_like_probabilities
from longtail.posthoc.saved import read_saved
from longtail.repair.by_name import in_class_order
from longtail.repair.calibration import SMALLEST
from longtail.repair.fix_file import FORMAT, OLDEST, VERSION, text_of, values_of
from longtail.repair.one_score import both_columns
from longtail.signatures import naming_misspelt
from longtail.whole_file import write_whole

NO_CHANCE = 8  # rows: with fewer, sums of 1 may be a coincidence
Model = TypeVar("Model")


@dataclass(frozen=True, eq=False)
class Fix:
    """A correction of a model's logits z, for each sample independently.

    Predictions are argmax(z + offset). Probabilities are softmax(z / temperature + probability_offset), under the
    class prior `prior`. For balanced accuracy and accuracy, the most probable class is the prediction; for
    other metrics it need not be.

    Attributes:
        offset: (C,) offsets of the predictions; zeros if the verdict was to keep the model.
        temperature: T > 0.
        probability_offset: (C,).
        prior: (C,) probabilities.
        class_names: (C,).
        metric: the metric that predictions optimise.
        method: how the offset was fitted.
        evidence: scores, intervals and sizes, as plain values.
        cost: (C, C) if the prediction is the class of the least expected cost under the probabilities; else None.
        takes: "logits", or "probabilities"; the fix is then applied to their logarithms.
        floor: the value that replaces probabilities of 0.
        metric_cost: (C, C) costs if the metric is the expected cost; else None.

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
    floor: float = SMALLEST
    metric_cost: np.ndarray | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether the cross-fitted calibration error did not increase; else `predict_proba` is not calibrated."""
        return bool(self.evidence.get("calibrated", self.temperature != 1))

    @property
    def moves_decisions(self) -> bool:
        """Whether any decision may differ from that of the logits alone."""
        return bool(np.any(self.offset)) or self.cost is not None

    @classmethod
    @naming_misspelt
    def from_predictions(cls, source: Any, **options: Any) -> "Fix":
        """Fit a fix on predictions in any form, such as `Fix.from_predictions(trainer.predict(validation))`.

        Args:
            source: labelled predictions on data that the model was not trained on, see `read_predictions`.
            options: arguments of `read_predictions` (`kind`, `class_names`, `counts`, …) and of `diagnose` (`metric`,
                `prior`, `cost`, `folds`, …).

        Returns:
            The fix that `longtail fix` writes. Its offset is 0 unless the verdict, `evidence["verdict"]`, is "use".

        Raises:
            ValueError, TypeError, FileNotFoundError: as `read_predictions` and `diagnose` do.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> target = rng.integers(0, 3, 900)
            >>> logits = rng.normal(size=(900, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0])
            >>> Fix.from_predictions((logits, target), class_names=["cat", "dog", "lynx"]).evidence["verdict"]
            'use'
        """
        # The module imports this one.
        from longtail.repair.diagnose_predictions import diagnose_predictions, diagnosis_options
        from longtail.repair.predictions import read_predictions

        reading = [name for name in inspect.signature(read_predictions).parameters if name != "source"]
        check_keywords("Fix.from_predictions", options, [*reading, *diagnosis_options()])
        own = [name for name in reading if name in options]
        predictions = read_predictions(source, **{name: options.pop(name) for name in own})
        return diagnose_predictions(predictions, **options).fix

    def __call__(self, logits: Array) -> Array:
        """The corrected logits, z + offset, of the same kind, shape and dtype.

        Args:
            logits: (N, C) or (C,), finite, or -inf for masked classes, which are never predicted and have probability
                0; or probabilities if the fix takes those. For two classes also (N, 1), those of the second class.

        Raises:
            ValueError: logits that are NaN, +inf or -inf for all classes of a sample, of another number of classes, or
                not what the fix takes.
        """
        checked, dtype = self._scores(logits)
        return like(logits, (checked.double() + self._tensor(self.offset, checked)).to(dtype))

    @overload
    def predict(self, logits: Array, *, names: Literal[False] = False) -> Array: ...

    @overload
    def predict(self, logits: Array, *, names: Literal[True]) -> np.ndarray | list[str] | str: ...

    def predict(self, logits: Array, *, names: bool = False) -> Array | np.ndarray | list[str] | str:
        """The predicted classes.

        Args:
            logits: (N, C) or (C,); errors as for `__call__`.
            names: return class names instead of indices.

        Returns:
            Class indices (N,) int64. With `names` an array of strings (N,); a list of strings for a tensor; one
            string for one sample (C,).

        Example:
            >>> even = np.array([0.5, 0.5])
            >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), even, ("cat", "lynx"), "accuracy", "by hand")
            >>> fix.predict(np.array([[1.0, 0.0], [3.0, 0.0]]), names=True)
            array(['lynx', 'cat'], dtype='<U4')
        """
        checked, _ = self._scores(logits)
        if self.cost is not None:
            probability = self._probabilities(checked, self.probability_offset)
            decided = (probability @ self._tensor(self.cost, checked)).argmin(-1)
        else:
            decided = decisions(checked, self.offset)
        return self._named(decided, logits) if names else like(logits, decided)

    def predict_proba(
        self, logits: Array, prior: str | Sequence[float] | np.ndarray | Mapping[str, float] | None = None
    ) -> Array:
        """Probabilities under a class prior, of the shape and dtype of the logits; calibrated if `is_calibrated`.

        Args:
            logits: (N, C) or (C,), as for `__call__`.
            prior: "uniform", a class prior (C,), or a mapping of class names to shares; by default `self.prior`.

        Raises:
            ValueError: as for `__call__`; an invalid prior.
        """
        checked, dtype = self._scores(logits)
        offset = self.probability_offset
        if prior is not None:
            given = in_class_order("prior", prior, self.class_names) if isinstance(prior, Mapping) else prior
            asked = as_prior("prior", given, len(offset)).numpy()
            if not (asked > 0).all():
                raise ValueError(f"`prior` must be above 0 everywhere. Got {asked.min():g}.")
            offset = offset + np.log(asked) - np.log(self.prior)
        return like(logits, self._probabilities(checked, offset).to(dtype))

    def fold_into(self, module: Model, layer: str | None = None) -> Model:
        """A copy of a model with temperature and offset folded into its last layer: W / T and (b + offset) / T.

        The argmax of its outputs is the prediction, without extra computation at inference. The softmax of its outputs
        is `predict_proba` if `probability_offset` is offset / T, as for balanced accuracy and accuracy.

        In PyTorch models the layer may be an `nn.Linear` or a 1 × 1 convolution, or a subclass that computes the same.
        In scikit-learn it is a fitted linear classifier, also at the end of a Pipeline. A single score z for two
        classes, in either, is treated as the logits (0, z), also before a sigmoid: (b + offset[1] - offset[0]) / T.
        The second class is then predicted where the new score is above 0.

        Classes are matched by name if the model has names: `classes_` of scikit-learn, `config.id2label` of
        Hugging Face, `pretrained_cfg["label_names"]` of timm, `class_names` of this package's networks. If it has
        none, output c is assumed to be class c of the fix, which cannot be checked.

        Args:
            module: a PyTorch module, a linear classifier of scikit-learn or a Pipeline; it is not changed.
            layer: for a PyTorch module, the name of the layer in `named_modules`; needed if several layers have one
                output per class, or if a module with parameters follows it.

        Raises:
            ValueError: it is not clear which layer makes the output; it has another number of outputs or other
                classes, shares its parameters, or is followed by a module that changes logits, such as a ReLU; the fix
                decides by costs; `save_pretrained` would lose the bias.
            TypeError: another kind of model; a layer that does not compute Wx + b (weight norm, LoRA, quantised); a
                classifier whose probabilities are not a softmax, if the fix takes probabilities.

        Example:
            >>> even = np.array([0.5, 0.5])
            >>> fix = Fix(np.array([-1.0, 1.0]), 2.0, np.zeros(2), even, ("cat", "lynx"), "accuracy", "by hand")
            >>> head = torch.nn.Linear(3, 2)
            >>> features = torch.randn(5, 3)
            >>> torch.allclose(fix.fold_into(head)(features), fix(head(features)) / 2, atol=1e-6)
            True
        """
        from longtail.repair.fold_into import folded_model

        return folded_model(self, module, layer)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fix as JSON, atomically.

        Raises:
            OSError: the file cannot be written.
            ValueError: invalid values, such as an offset that is not finite.
        """
        text = text_of(self, Path(path))
        with write_whole(path) as file:
            file.write(text.encode())
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], class_names: Sequence[str] | None = None) -> Self:
        """Read a file written by `save`, also by an older version. No code in it is executed.

        Args:
            path: path of the file.
            class_names: class names of the model; the file must have the same.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: another kind of file, a newer version, a damaged file, or other classes.
        """
        path = Path(path)
        values = values_of(read_saved(path, FORMAT, VERSION, oldest=OLDEST), path)
        if class_names is not None and tuple(class_names) != values["class_names"]:
            difference = _difference(values["class_names"], tuple(class_names))
            raise ValueError(f"{path} must be for these classes. {difference}")
        return cls(**values)

    def _scores(self, given: Array) -> tuple[Tensor, torch.dtype]:
        """Logits, or the logarithms of probabilities, and the dtype of the input."""
        if hasattr(given, "to_numpy"):
            raise TypeError(
                f"`logits` must be a numpy array or a torch tensor, since columns are not matched by name here. Got "
                f"{type(given).__name__}. Pass its values in the order of the classes: "
                "scores[list(fix.class_names)].to_numpy()."
            )
        if len(self.offset) == 2:
            given = both_columns(given, probabilities=self.takes == "probabilities")
        checked = as_logits(given, num_classes=len(self.offset), masked=self.takes == "logits")
        if not checked.numel():
            return checked, checked.dtype
        summing = look_like_probabilities(checked)
        if self.takes == "logits":  # of which those of a single sample may sum to 1
            summing = summing and checked.dim() == 2 and len(checked) >= NO_CHANCE
        if summing != (self.takes == "probabilities"):
            known = "sum to 1" if self.takes == "logits" else "do not sum to 1"
            raise ValueError(f"`logits` must be {self.takes}, which this fix takes. Their rows {known}.")
        if self.takes == "logits":
            return checked, checked.dtype
        exact = checked.to(torch.promote_types(checked.dtype, torch.float32))
        total = exact.sum(-1, keepdim=True)
        rounded = (total - 1).abs() >= EXACT
        return torch.where(rounded, exact / total, exact).clamp(min=self.floor).log(), checked.dtype

    def _named(self, decided: Tensor, given: Array) -> np.ndarray | list[str] | str:
        if decided.dim() == 0:
            return self.class_names[int(decided)]
        names = [self.class_names[index] for index in decided.tolist()]
        return names if isinstance(given, Tensor) else np.array(names, dtype=np.str_)

    def _probabilities(self, logits: Tensor, offset: np.ndarray) -> Tensor:
        centred = logits.double() - logits.double().amax(-1, keepdim=True)  # otherwise a small T makes them overflow
        return (centred / self.temperature + self._tensor(offset, logits)).softmax(-1)

    @staticmethod
    def _tensor(values: np.ndarray, like_this: Tensor) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=like_this.device)


def _difference(stored: tuple[str, ...], asked: tuple[str, ...]) -> str:
    if len(stored) != len(asked):
        return f"It has {len(stored)} classes, not {len(asked)}."
    index = next(i for i, (a, b) in enumerate(zip(stored, asked, strict=True)) if a != b)
    return f"Class {index} is {stored[index]!r} there, not {asked[index]!r}."
