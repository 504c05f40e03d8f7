"""Checks that scores are logits or probabilities, with hints at what they probably are instead."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longtail.arguments import from_numpy
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.probability_rows import EXACT, look_like_probabilities
from longtail.printable import printable
from longtail.repair.calibration import SMALLEST, floor_of, log_probabilities
from longtail.repair.processes import ALL, Share
from longtail.repair.reading.raw import Rows
from longtail.repair.reading.temporary_array import temporary_array

ENOUGH_ROWS = 8  # with fewer rows, equal sums may be a coincidence
PERCENT = 100
MOST_MODELS = 1000
NEAR = 0.02
MASKED = -1e100  # logits below are those of masked classes, as is -inf


@dataclass(frozen=True)
class Shape:
    """Statistics from one pass over scores: sums of rows (N,), minimum, maximum, and what the rows look like."""

    sums: np.ndarray
    least: float
    most: float
    are_probabilities: bool
    are_logarithms: bool


def as_checked_logits(
    scores: np.ndarray,
    kind: str,
    rows: Rows,
    names: Sequence[str] | None,
    notes: list[str],
    share: Share = ALL,
) -> tuple[np.ndarray, float]:
    """Logits, or the logarithms of probabilities, and the value that replaces probabilities of 0.

    Rounded probabilities are divided by their sums.

    Args:
        scores: (N, C) float32 or float64.
        kind: "logits" or "probabilities".
        rows: the origin of the rows.
        names: (C,) or None.
        notes: changes are appended here.
        share: which of the rows `scores` holds.

    Raises:
        ValueError: a value is not finite (-inf is a masked class of logits), or the scores are of another kind; the
            message says what they probably are.
    """
    shape = _shape_over(share, _shape_of(scores, kind, rows, names, share.first))
    if kind == "logits":
        _refuse_no_logits(shape, rows)
        if shape.are_logarithms:
            notes.append(f"{rows.where}: the logits are logarithms of probabilities, which are valid logits.")
        elif shape.least >= 0 and shape.most <= 1:
            notes.append(
                f"{rows.where}: all logits lie in [0, 1]. If they are one-vs-rest sigmoids p, save log(p / (1 - p))."
            )
        return scores, SMALLEST
    if not shape.are_probabilities:
        raise ValueError(_no_probabilities(shape, rows))
    sums = None
    if np.abs(shape.sums - 1).max() >= EXACT:
        sums = shape.sums
        notes.append(
            f"{rows.where}: probabilities sum to 1 only after rounding ({sums.min():.4g} to {sums.max():.4g}); they "
            "were divided by their sums."
        )
    return _logarithms(scores, None if sums is None else sums[share.own(len(scores))], share)


def check_own_class(
    scores: np.ndarray, target: np.ndarray, rows: Rows, names: Sequence[str] | None = None, first: int = 0
) -> None:
    """Raise if the class of a sample is masked in its row: the loss would be infinite.

    Args:
        scores: (N, C) logits.
        target: (N,) class indices.
        rows: the origin of the rows.
        names: (C,) or None.
        first: index of the first row among all.
    """
    masked = np.flatnonzero(scores[np.arange(len(target)), target].astype(np.float64) < MASKED)
    if len(masked):
        row = int(masked[0])
        raise ValueError(
            f"{rows.at(first + row)}, {_called(int(target[row]), names)}: {scores[row, target[row]]} for the class of "
            "the sample. Only other classes may be masked: drop the sample or correct its label. "
            "A logarithm of 0? Clip it first."
        )


def _shape_of(scores: np.ndarray, kind: str, rows: Rows, names: Sequence[str] | None, first: int) -> Shape:
    sums = np.empty(len(scores))
    least, most, are_probabilities, are_logarithms = np.inf, -np.inf, True, True
    for block in row_blocks(*scores.shape):
        part = np.asarray(scores[block], dtype=np.float64)
        _check_finite(part, first + block.start, kind, rows, names)
        with np.errstate(over="ignore"):  # masked classes
            sums[block] = part.sum(1)
        least, most = min(least, part.min()), max(most, part.max())
        are_probabilities = are_probabilities and look_like_probabilities(from_numpy("scores", part, shared=True))
        are_logarithms = are_logarithms and bool(most <= EXACT and np.abs(np.exp(part).sum(1) - 1).max() < 10 * EXACT)
    return Shape(sums, float(least), float(most), are_probabilities, are_logarithms)


def _shape_over(share: Share, own: Shape) -> Shape:
    """Of the rows of all processes."""
    parts = share.processes.gathered("kind of scores", own)
    if len(parts) == 1:
        return own
    return Shape(
        np.concatenate([part.sums for part in parts]),
        min(part.least for part in parts),
        max(part.most for part in parts),
        all(part.are_probabilities for part in parts),
        all(part.are_logarithms for part in parts),
    )


def _check_finite(part: np.ndarray, start: int, kind: str, rows: Rows, names: Sequence[str] | None) -> None:
    broken = ~np.isfinite(part)
    if not broken.any():
        return
    if kind == "logits":
        broken &= part != -np.inf
        empty = np.flatnonzero(part.max(1) == -np.inf)
        if len(empty):
            raise ValueError(f"{rows.at(start + int(empty[0]))}: all logits are -inf. Drop the sample.")
    if broken.any():
        row, column = (int(place) for place in np.argwhere(broken)[0])
        log = " A logarithm of 0? Then pass --kind logits." if part[row, column] == -np.inf else ""
        raise ValueError(f"{rows.at(start + row)}, {_called(column, names)}: {part[row, column]} must be finite.{log}")


def _called(column: int, names: Sequence[str] | None) -> str:
    return f"column {column}" if names is None else f"class {printable(names[column], lines=False)}"


def _refuse_no_logits(shape: Shape, rows: Rows) -> None:
    if shape.are_probabilities:
        raise ValueError(
            f"{rows.where} must hold logits, but its rows sum to 1. If they are probabilities, pass --kind "
            "probabilities."
        )
    total = _regular(shape.sums, shape.least)
    if total is not None and len(shape.sums) >= ENOUGH_ROWS:
        raise ValueError(f"{rows.where} must hold logits, but {of_regular_sum(total)} Then pass --kind probabilities.")


def regular_sum(scores: np.ndarray) -> int | None:
    """The integer k > 1 that all rows sum to, if there are at least 8 rows and no negative value; else None.

    Example:
        >>> regular_sum(np.tile([60.0, 40.0], (8, 1)))
        100
    """
    if len(scores) < ENOUGH_ROWS or scores.min() < 0:
        return None
    return _regular(scores.sum(1), float(scores.min()))


def _regular(sums: np.ndarray, least: float) -> int | None:
    if least < 0:
        return None
    total = round(float(np.median(sums)))
    regular = 1 < total <= MOST_MODELS and np.abs(sums - total).max() <= NEAR * total
    return total if regular else None


def of_regular_sum(total: int) -> str:
    """A hint at what rows with this sum probably are."""
    if total == PERCENT:
        return "its rows sum to 100. Probabilities in percent? Divide by 100."
    return f"its rows sum to {total}. Sums of the probabilities of {total} models? Divide by {total}."


def _no_probabilities(shape: Shape, rows: Rows) -> str:
    rule = f"{rows.where} must hold probabilities, which are at least 0 and sum to 1"
    if shape.are_logarithms:
        return f"{rule}, but holds their logarithms. These are valid logits: pass --kind logits."
    total = _regular(shape.sums, shape.least)
    if total is not None:
        return f"{rule}, but {of_regular_sum(total)}"
    row = int(np.argmax(np.abs(shape.sums - 1)))
    found = f"{rule}. {rows.at(row)} sums to {shape.sums[row]:.4g}"
    if shape.least < 0:
        return f"{rule}. The smallest number is {shape.least:.4g}. Are they logits? Then pass --kind logits."
    if shape.most <= 1:
        return (
            f"{found}. One-vs-rest sigmoids p? Save log(p / (1 - p)) and pass --kind logits. Rounded too much? "
            "Save more decimals."
        )
    return f"{found}. Are they logits? Then pass --kind logits."


def _logarithms(probability: np.ndarray, sums: np.ndarray | None, share: Share) -> tuple[np.ndarray, float]:
    """Logarithms, in memory, or in a temporary file if the probabilities are memory-mapped."""

    def rows(block: slice) -> np.ndarray:
        part = np.asarray(probability[block])
        return part if sums is None else np.asarray(part / sums[block, None], dtype=part.dtype)

    blocks = list(row_blocks(*probability.shape))
    floor = min(share.processes.gathered("floor", min(floor_of(rows(block)) for block in blocks)))
    if not isinstance(probability, np.memmap):
        return log_probabilities(rows(slice(None)), floor), floor
    logits = temporary_array((probability.shape[0], probability.shape[1]), probability.dtype)
    for block in blocks:
        logits[block] = log_probabilities(rows(block), floor)
    return np.asanyarray(logits), floor
