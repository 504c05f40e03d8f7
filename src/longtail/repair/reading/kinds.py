"""Whether scores are the logits or probabilities that they are said to be; what else they probably are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longtail.arguments import from_numpy
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.probability_rows import EXACT, look_like_probabilities
from longtail.printable import printable
from longtail.repair.calibration import SMALLEST, floor_of, log_probabilities
from longtail.repair.reading.raw import Rows
from longtail.repair.reading.temporary_array import temporary_array

ENOUGH_ROWS = 8  # so that a regular sum is no chance
PERCENT = 100
MOST_MODELS = 1000
NEAR = 0.02


@dataclass(frozen=True)
class Shape:
    """What one pass over scores tells: sums of rows (N,), the smallest and largest number, what rows look like."""

    sums: np.ndarray
    least: float
    most: float
    are_probabilities: bool
    are_logarithms: bool


def as_checked_logits(
    scores: np.ndarray, kind: str, rows: Rows, names: Sequence[str] | None, notes: list[str]
) -> tuple[np.ndarray, float]:
    """Logits, of probabilities their logarithms, and what took the place of probabilities of 0.

    Probabilities that sum to 1 only after rounding are divided by their sums.

    Args:
        scores: (N, C) float32 or float64.
        kind: "logits" or "probabilities".
        rows: where they stand.
        names: (C,) or None.
        notes: what was changed is added here.

    Raises:
        ValueError: a number that is not finite; scores of another kind, with what they probably are.
    """
    shape = _shape_of(scores, rows, names)
    if kind == "logits":
        _refuse_no_logits(shape, rows)
        if shape.are_logarithms:
            notes.append(f"{rows.where}: the logits are logarithms of probabilities, which is as good.")
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
            f"{rows.where}: probabilities sum to 1 only after rounding ({sums.min():.4g} to {sums.max():.4g}): they "
            "were divided by their sums."
        )
    return _logarithms(scores, sums)


def _shape_of(scores: np.ndarray, rows: Rows, names: Sequence[str] | None) -> Shape:
    sums = np.empty(len(scores))
    least, most, are_probabilities, are_logarithms = np.inf, -np.inf, True, True
    for block in row_blocks(*scores.shape):
        part = np.asarray(scores[block], dtype=np.float64)
        _check_finite(part, block.start, rows, names)
        sums[block] = part.sum(1)
        least, most = min(least, part.min()), max(most, part.max())
        are_probabilities = are_probabilities and look_like_probabilities(from_numpy("scores", part, shared=True))
        are_logarithms = are_logarithms and bool(most <= EXACT and np.abs(np.exp(part).sum(1) - 1).max() < 10 * EXACT)
    return Shape(sums, float(least), float(most), are_probabilities, are_logarithms)


def _check_finite(part: np.ndarray, start: int, rows: Rows, names: Sequence[str] | None) -> None:
    finite = np.isfinite(part)
    if not finite.all():
        row, column = (int(place) for place in np.argwhere(~finite)[0])
        called = f"column {column}" if names is None else f"class {printable(names[column], lines=False)}"
        log = " A logarithm of 0? Clip it first." if part[row, column] == -np.inf else ""
        raise ValueError(f"{rows.at(start + row)}, {called}: {part[row, column]} must be finite.{log}")


def _refuse_no_logits(shape: Shape, rows: Rows) -> None:
    if shape.are_probabilities:
        raise ValueError(
            f"{rows.where} must hold logits, but its rows sum to 1: say --kind probabilities if that is so."
        )
    total = _regular(shape.sums, shape.least)
    if total is not None and len(shape.sums) >= ENOUGH_ROWS:
        raise ValueError(f"{rows.where} must hold logits, but {of_regular_sum(total)} Then say --kind probabilities.")


def regular_sum(scores: np.ndarray) -> int | None:
    """The k of scores where no number is negative and each of at least 8 rows sums to k, a whole number but 1.

    Example:
        >>> regular_sum(np.tile([60.0, 40.0], (8, 1)))
        100
    """
    return _regular(scores.sum(1), float(scores.min())) if len(scores) >= ENOUGH_ROWS else None


def _regular(sums: np.ndarray, least: float) -> int | None:
    total = round(float(np.median(sums)))
    regular = least >= 0 and 1 < total <= MOST_MODELS and np.abs(sums - total).max() <= NEAR * total
    return total if regular else None


def of_regular_sum(total: int) -> str:
    """What rows that sum to a number probably are."""
    if total == PERCENT:
        return "its rows sum to 100. Probabilities in percent? Divide by 100."
    return f"its rows sum to {total}. Sums of the probabilities of {total} models? Divide by {total}."


def _no_probabilities(shape: Shape, rows: Rows) -> str:
    rule = f"{rows.where} must hold probabilities, at least 0 and of sum 1"
    if shape.are_logarithms:
        return f"{rule}, but holds their logarithms. Those are logits: say --kind logits."
    total = _regular(shape.sums, shape.least)
    if total is not None:
        return f"{rule}, but {of_regular_sum(total)}"
    row = int(np.argmax(np.abs(shape.sums - 1)))
    found = f"{rule}. {rows.at(row)} has the sum {shape.sums[row]:.4g}"
    if shape.least < 0:
        return f"{rule}. The smallest number is {shape.least:.4g}. Are they logits? Then say --kind logits."
    if shape.most <= 1:
        return (
            f"{found}. One-vs-rest sigmoids p? Save log(p / (1 - p)) and say --kind logits. Rounded too much? "
            "Save more decimals."
        )
    return f"{found}. Are they logits? Then say --kind logits."


def _logarithms(probability: np.ndarray, sums: np.ndarray | None) -> tuple[np.ndarray, float]:
    """In memory; of a mapped file in another one, which goes with the process."""

    def rows(block: slice) -> np.ndarray:
        part = np.asarray(probability[block])
        return part if sums is None else np.asarray(part / sums[block, None], dtype=part.dtype)

    blocks = list(row_blocks(*probability.shape))
    floor = min(floor_of(rows(block)) for block in blocks)
    if not isinstance(probability, np.memmap):
        return log_probabilities(rows(slice(None)), floor), floor
    logits = temporary_array((probability.shape[0], probability.shape[1]), probability.dtype)
    for block in blocks:
        logits[block] = log_probabilities(rows(block), floor)
    return np.asanyarray(logits), floor
