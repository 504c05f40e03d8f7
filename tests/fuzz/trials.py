"""Seeded inputs of the losses: right ones with the value of the reference, wrong ones with the fault that they have."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from losses.cases import CASES, NUM_CLASSES, LossCase

IGNORED = -100
INDEX_DTYPES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
FUSED_DTYPES = (torch.float32, torch.float32, torch.bfloat16)  # others are refused with `fused=True`
LOGIT_DTYPES = (torch.float64, torch.float64, torch.float32, torch.float32, torch.bfloat16, torch.float16)
# Statistics and weights are float32, so that float64 logits agree to its precision.
TOLERANCES = {torch.float64: 2e-6, torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.05}
BY_POSITION = ("gcl", "eql")  # their fixed draws are of a position, so that rows can't be left out of the reference


@dataclass
class Trial:
    """One call of a loss.

    Attributes:
        case: the loss.
        logits, target, arguments: what it is called with.
        fault: what is wrong with them; None if nothing is.
    """

    case: LossCase
    logits: Any
    target: Any
    arguments: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None

    def expected(self) -> np.ndarray:
        """The losses of all positions by the float64 reference, one sample at a time; 0 where ignored."""
        rows = self.logits.double().movedim(1, -1).reshape(-1, NUM_CLASSES).numpy()
        if self.target.is_floating_point():
            targets = list(self.target.double().movedim(1, -1).reshape(-1, NUM_CLASSES).numpy())
            kept = np.ones(len(rows), dtype=bool)
        else:
            targets = self.target.flatten().long().tolist()
            kept = np.array([label != self.arguments.get("ignore_index", IGNORED) for label in targets])
        weight = self.arguments.get("weight")
        losses = np.zeros(len(rows))
        if kept.any():
            losses[kept] = self.case.reference(
                rows[kept],
                [target for target, own in zip(targets, kept, strict=True) if own],
                weight=None if weight is None else weight.double().numpy(),
                label_smoothing=self.arguments.get("label_smoothing", 0.0),
            )
        return losses


def trial(seed: int) -> Trial:
    """The trial of a seed."""
    rng = np.random.default_rng(seed)
    case = CASES[rng.integers(len(CASES))]
    spatial = [(), (), (), (2,), (2, 2)][rng.integers(5)]
    shape = (int(rng.integers(1, 6)), NUM_CLASSES, *spatial)
    # Probabilities below 1e-9 or so are lost in the reference, which takes logarithms of 1 − p.
    logits = torch.from_numpy(rng.normal(size=shape) * 10 ** rng.uniform(-2, 0.5))
    soft = rng.random() < 0.3
    dtypes = FUSED_DTYPES if case.name.endswith("-fused") else LOGIT_DTYPES
    made = Trial(case, logits.to(dtypes[rng.integers(len(dtypes))]), None)
    if soft:
        probability = torch.from_numpy(rng.dirichlet(np.ones(NUM_CLASSES), (shape[0], *spatial))).movedim(-1, 1)
        made.target = probability.to(made.logits.dtype if made.logits.dtype == torch.float64 else torch.float32)
    else:
        labels = torch.from_numpy(rng.integers(0, NUM_CLASSES, (shape[0], *spatial)))
        made.target = labels.to(INDEX_DTYPES[rng.integers(len(INDEX_DTYPES))])
        _ignore(made, rng)
    if rng.random() < 0.4:
        made.arguments["weight"] = torch.from_numpy(rng.uniform(0.1, 3, NUM_CLASSES)).to(torch.float32)
    if rng.random() < 0.4:
        made.arguments["label_smoothing"] = float(rng.uniform(0, 1))
    if rng.random() < 0.5:
        _break(made, rng)
    return made


def _ignore(made: Trial, rng: np.random.Generator) -> None:
    """Let some targets be ignored, by a value that the dtype can hold."""
    if made.case.name.removesuffix("-fused") in BY_POSITION or rng.random() < 0.6:
        return
    value = IGNORED if made.target.dtype != torch.uint8 else 255
    if value != IGNORED:
        made.arguments["ignore_index"] = value
    made.target[torch.from_numpy(rng.random(tuple(made.target.shape)) < 0.4)] = value


def _break(made: Trial, rng: np.random.Generator) -> None:
    names = [name for name, (applies, _) in FAULTS.items() if applies(made)]
    made.fault = names[rng.integers(len(names))]
    FAULTS[made.fault][1](made, rng)


def _set(name: str, value: Callable[[Trial, np.random.Generator], Any]) -> Callable[[Trial, np.random.Generator], None]:
    def set_it(made: Trial, rng: np.random.Generator) -> None:
        if name in ("logits", "target"):
            setattr(made, name, value(made, rng))
        else:
            made.arguments[name] = value(made, rng)

    return set_it


def _outside(made: Trial, rng: np.random.Generator) -> torch.Tensor:
    target = made.target.clone()
    target.flatten()[int(rng.integers(target.numel()))] = int(rng.choice([NUM_CLASSES, 99, 127]))
    return target


def _always(_: Trial) -> bool:
    return True


def _indices(made: Trial) -> bool:
    return not made.target.is_floating_point()


def _probabilities(made: Trial) -> bool:
    return made.target.is_floating_point()


FAULTS: dict[str, tuple[Callable[[Trial], bool], Callable[[Trial, np.random.Generator], None]]] = {
    "logits of another number of classes": (_always, _set("logits", lambda made, _: made.logits[:, 1:])),
    "logits are integers": (_always, _set("logits", lambda made, _: made.logits.long())),
    "logits are a list": (_always, _set("logits", lambda made, _: made.logits.tolist())),
    "target is a list": (_always, _set("target", lambda made, _: made.target.tolist())),
    "a target outside the classes": (_indices, _set("target", _outside)),
    "a target too many": (_always, _set("target", lambda made, _: torch.cat([made.target, made.target[:1]]))),
    "targets in a column": (_indices, _set("target", lambda made, _: made.target[..., None])),
    "targets are one-hot integers": (
        _indices,
        _set("target", lambda made, _: torch.ones(made.logits.shape, dtype=torch.int64)),
    ),
    "targets are floats": (_indices, _set("target", lambda made, _: made.target.float())),
    "targets are booleans": (_indices, _set("target", lambda made, _: made.target.bool())),
    "probabilities with ignore_index": (_probabilities, _set("ignore_index", lambda *_: 1)),
    "a weight too few": (_always, _set("weight", lambda *_: torch.ones(NUM_CLASSES - 1))),
    "weight is a list": (_always, _set("weight", lambda *_: [1.0] * NUM_CLASSES)),
    "label_smoothing above 1": (_always, _set("label_smoothing", lambda _, rng: float(rng.uniform(1.1, 5)))),
    "label_smoothing is NaN": (_always, _set("label_smoothing", lambda *_: float("nan"))),
    "ignore_index is a boolean": (_always, _set("ignore_index", lambda *_: True)),
    "ignore_index is text": (_always, _set("ignore_index", lambda *_: "0")),
}
"""What can be wrong, to which trials it applies, and how it is brought about."""
