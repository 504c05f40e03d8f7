"""Saved predictions, checked: logits or probabilities, labels, and what else is known."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from longtail.posthoc.blocks import row_blocks
from longtail.repair.calibration import SMALLEST, floor_of, log_probabilities
from longtail.repair.score_files import LABELS, read_file
from longtail.runs import RunFolder

SCORES = ("logits", "probabilities")
TRAINED_ON = ("train", "augmented")


@dataclass(frozen=True)
class Predictions:
    """What a file holds.

    Attributes:
        logits: (N, C); of probabilities their logarithms.
        target: (N,) class indices.
        class_names: (C,) or None.
        class_counts: (C,) training samples, or None.
        groups: (N,) or None.
        sample_weight: (N,) or None.
        kind: "logits" or "probabilities": what the file holds.
        floor: what took the place of probabilities of 0.
    """

    logits: np.ndarray
    target: np.ndarray
    class_names: tuple[str, ...] | None = None
    class_counts: np.ndarray | None = None
    groups: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    kind: str = "logits"
    floor: float = SMALLEST


def load_predictions(
    path: Path, *, labels: Path | None = None, kind: str = "logits", part: str = "validation"
) -> Predictions:
    """Read predictions; nothing in a file is executed.

    Args:
        path: an .npz or .pt file with `logits` or `probabilities` (N, C) and `target` (N,), and, if known,
            `class_names`, `class_counts` (training), `groups` and `sample_weight`; an .npy file of scores, which is
            mapped into memory and read in passes; a .csv or .parquet file with a column `label`, if known `group` and
            `weight`, and one column a class; or a run folder.
        labels: an .npy file of labels, for scores that are one.
        kind: "logits" or "probabilities": what the scores are. It is never guessed.
        part: of a run folder: the set to judge by.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another kind or damaged; scores that are not what `kind` says; labels that are no class.
    """
    if not path.exists():
        raise FileNotFoundError(f"`path` must exist. Got {path}.")
    if labels is not None and path.suffix != ".npy":
        raise ValueError(f"`labels` must be left out unless the scores are an .npy file. Got {labels} with {path}.")
    if labels is None and path.suffix == ".npy":
        raise ValueError(f"`labels` must be an .npy file of labels beside scores in {path}. Got none.")
    content = _run(path, part) if path.is_dir() else read_file(path, labels)
    scores, found = _scores(content, path, kind)
    target = next((np.asarray(content[name]) for name in LABELS if name in content), None)
    if target is None:
        raise ValueError(f"{path} must hold labels, as {' or '.join(LABELS)}. It holds {', '.join(content)}.")
    values = _checked(np.asanyarray(scores), found, path)
    floor = SMALLEST if found == "logits" else min(floor_of(values[part]) for part in row_blocks(*values.shape))
    logits = values if found == "logits" else _logarithms(values, floor)
    class_names = _texts(content.get("class_names"), path)
    groups = content.get("groups")
    return Predictions(
        logits,
        _as_indices(target, class_names, logits.shape[-1], path),
        class_names,
        _numeric("class_counts", content, path),
        None if groups is None else np.array([str(group) for group in np.asarray(groups).tolist()]),
        _numeric("sample_weight", content, path),
        found,
        floor,
    )


def _texts(names: Any, path: Path) -> tuple[str, ...] | None:
    if names is None:
        return None
    values = np.asarray(names, dtype=object).tolist()
    if not isinstance(values, list):
        raise ValueError(f"{path} must hold a list of class names. Got {values!r}.")
    return tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values)


def _numeric(name: str, content: Mapping[str, Any], path: Path) -> np.ndarray | None:
    if content.get(name) is None:
        return None
    try:
        values = np.asarray(content[name])
        if values.dtype.kind not in "iuf":
            raise TypeError
    except (TypeError, ValueError):
        raise ValueError(f"{path} must hold numbers as {name}. It does not.") from None
    return values


def _run(path: Path, part: str) -> dict[str, Any]:
    folder = RunFolder.open(path)
    if part in TRAINED_ON:
        raise ValueError(f"`part` must be images that the model was not trained on. Got {part!r}.")
    try:
        logits, target = folder.load_predictions(part)
    except FileNotFoundError as error:
        raise ValueError(
            f"{error} A fix is judged by images that the model was not trained on: train with --validation 0.1, or "
            "take --part test, which then is no test any more."
        ) from None
    content = {"logits": logits, "target": target, "class_counts": (folder.result or {}).get("class_counts")}
    return content if folder.data is None else content | {"class_names": folder.data["class_names"]}


def _scores(content: Mapping[str, Any], path: Path, kind: str) -> tuple[Any, str]:
    """The scores, and what they are: by their name, or as `kind` says where the name does not tell."""
    named = [name for name in SCORES if name in content]
    if len(named) == 2:
        return content[kind], kind
    if "scores" in content:
        return content["scores"], kind
    if not named:
        raise ValueError(f"{path} must hold {' or '.join(SCORES)}. It holds {', '.join(content) or 'nothing'}.")
    if named[0] != kind and kind == "probabilities":
        raise ValueError(f"{path} must hold probabilities, as was said. It holds {named[0]}.")
    return content[named[0]], named[0]


def _checked(scores: np.ndarray, kind: str, path: Path) -> np.ndarray:
    if scores.ndim != 2 or scores.shape[1] < 2 or not len(scores) or scores.dtype.kind not in "fiu":
        raise ValueError(
            f"{path} must hold numbers of the shape (N, C), C at least 2. Got {scores.shape} {scores.dtype}."
        )
    values = scores if scores.dtype in (np.float32, np.float64) else scores.astype(np.float64)
    could_be = True
    for part in row_blocks(*values.shape):
        _check_finite(values[part], part.start, path)
        could_be = could_be and _are_probabilities(values[part])
        if kind == "probabilities" and not could_be:
            raise ValueError(_no_probabilities(values[part], part.start, path))
    if kind == "logits" and could_be:
        raise ValueError(f"{path} must hold logits, but its rows sum to 1: say --kind probabilities if that is so.")
    return values


def _check_finite(rows: np.ndarray, start: int, path: Path) -> None:
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"{path} must hold finite numbers. Got {rows[row, column]} in row {start + row}, class {column}."
        )


def _are_probabilities(rows: np.ndarray) -> bool:
    return bool((rows >= 0).all() and np.abs(rows.sum(1, dtype=np.float64) - 1).max() < 1e-3)


def _no_probabilities(rows: np.ndarray, start: int, path: Path) -> str:
    sums = rows.sum(1, dtype=np.float64)
    row = int(np.argmin(rows.min(1))) if rows.min() < 0 else int(np.argmax(np.abs(sums - 1)))
    return (
        f"{path} must hold probabilities, at least 0 and of sum 1. Row {start + row} has the sum {sums[row]:.4g} "
        f"and the smallest value {rows[row].min():.4g}. Are they logits?"
    )


def _logarithms(probability: np.ndarray, floor: float) -> np.ndarray:
    """In memory; of a mapped file in another one, which goes with the process."""
    if not isinstance(probability, np.memmap):
        return log_probabilities(probability, floor)
    with tempfile.TemporaryFile() as file:
        logits = np.memmap(file, probability.dtype, "w+", shape=probability.shape)
    for part in row_blocks(*probability.shape):
        logits[part] = log_probabilities(probability[part], floor)
    return logits


def _as_indices(target: np.ndarray, names: tuple[str, ...] | None, num_classes: int, path: Path) -> np.ndarray:
    """Labels as indices; names of classes are looked up."""
    if target.ndim != 1:
        raise ValueError(f"{path} must hold one label a sample, (N,). Got labels of the shape {target.shape}.")
    if target.dtype.kind in "iuf":
        whole = np.isfinite(target) & (target == np.round(target)) & (np.abs(target) < 2**53)
        if not whole.all():
            raise ValueError(f"{path} must hold class indices or names as labels. Got {target[~whole][0]}.")
        return target.astype(np.int64)
    place = {name: index for index, name in enumerate(names or map(str, range(num_classes)))}
    texts = [str(label) for label in target.tolist()]
    if not any(label in place for label in texts):  # indices that were written as 0.0, 1.0
        place = {f"{index:.1f}": index for index in range(num_classes)}
    unknown = next((label for label in texts if label not in place), None)
    if unknown is not None:
        raise ValueError(f"{path} must hold labels that are among its classes. Got {unknown!r}.")
    return np.array([place[label] for label in texts], dtype=np.int64)
