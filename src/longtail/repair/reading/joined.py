"""Concatenation of predictions; memory-mapped ones are concatenated in a temporary file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from longtail.posthoc.blocks import row_blocks
from longtail.repair.processes import Processes
from longtail.repair.reading.raw import RawPredictions, Rows
from longtail.repair.reading.temporary_array import temporary_array


def joined(parts: Sequence[RawPredictions]) -> RawPredictions:
    """Concatenate predictions.

    Raises:
        ValueError: they differ in the number or names of classes, in the kind of scores, in class counts, or in
            whether they have groups and sample weights.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        _check_alike(first, part)
    return replace(
        first,
        scores=_scores([part.scores for part in parts]),
        target=np.concatenate([part.target for part in parts]),
        rows=Rows.of_all([part.rows for part in parts]),
        groups=_together([part.groups for part in parts]),
        sample_weight=_together([part.sample_weight for part in parts]),
    )


def joined_over(processes: Processes, own: RawPredictions) -> RawPredictions:
    """Concatenate the predictions of all processes, of which each keeps its own scores.

    Raises:
        ValueError: as `joined`.
    """
    if processes.number == 1:
        return own
    parts = processes.gathered("predictions", replace(own, scores=np.array(own.scores[:0])))
    for part in parts[1:]:
        _check_alike(parts[0], part)
    rows, share = Rows.over(processes, own.rows)
    dtype = np.result_type(*[part.scores for part in parts])
    return replace(
        own,
        scores=own.scores if own.scores.dtype == dtype else own.scores.astype(dtype),
        target=np.concatenate([part.target for part in parts]),
        rows=rows,
        groups=_together([part.groups for part in parts]),
        sample_weight=_together([part.sample_weight for part in parts]),
        share=share,
    )


def _check_alike(first: RawPredictions, other: RawPredictions) -> None:
    for what, own, their in (
        ("number of classes", first.scores.shape[1], other.scores.shape[1]),
        ("class_names", first.class_names, other.class_names),
        ("kind of scores", first.named_kind, other.named_kind),
        ("class_counts", _plain(first.class_counts), _plain(other.class_counts)),
        ("bounds of many, medium and few", tuple(first.bounds), tuple(other.bounds)),
        ("groups", first.groups is not None, other.groups is not None),
        ("sample_weight", first.sample_weight is not None, other.sample_weight is not None),
    ):
        if own != their:
            raise ValueError(
                f"{other.rows.where} must agree with {first.rows.where} in its {what}. Got {their}, not {own}."
            )


def _plain(values: np.ndarray | None) -> list[float] | None:
    return None if values is None else values.tolist()


def _together(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None


def _scores(parts: Sequence[np.ndarray]) -> np.ndarray:
    if not any(isinstance(part, np.memmap) for part in parts):
        return np.concatenate(parts)
    whole: Any = temporary_array((sum(map(len, parts)), parts[0].shape[1]), np.result_type(*parts))
    begin = 0
    for part in parts:
        for block in row_blocks(*part.shape):
            whole[begin + block.start : begin + block.stop] = part[block]
        begin += len(part)
    return np.asanyarray(whole)
