"""Outputs in which a model gives its own decision, beside its scores."""

from collections.abc import Mapping, Sequence

import numpy as np

from longtail.repair import Fix


def own_decisions(fix: Fix, scores: str, outputs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Outputs that hold the class of the largest score, and the labels (C,) in which they give it.

    Known from what the model gave: one integer or string for each sample, always that of the largest score. Integers
    that never vary could be anything.

    Args:
        fix: with its classes in the order of the scores.
        scores: the output of the scores.
        outputs: what the model gave, once or more.
    """
    largest = np.concatenate([one[scores].argmax(1) for one in outputs])
    found = {}
    for name in outputs[0]:
        if all(one[name].shape in ((len(one[scores]),), (len(one[scores]), 1)) for one in outputs):
            given = np.concatenate([one[name].ravel() for one in outputs])
            labels = _labels(fix.class_names, given, largest)
            if labels is not None:
                found[name] = labels
    return found


def _labels(names: Sequence[str], given: np.ndarray, largest: np.ndarray) -> np.ndarray | None:
    if given.dtype.kind in "OSU":
        same = [str(value) for value in given] == [names[index] for index in largest]
        return np.array([name.encode() for name in names], dtype=object) if same else None
    if given.dtype.kind not in "iu" or len(set(given.tolist())) < 2:
        return None
    possible = [np.arange(len(names))]
    if all(name.lstrip("-").isdecimal() and len(name) < 19 for name in names):
        possible.append(np.array([int(name) for name in names]))
    return next((labels.astype(given.dtype) for labels in possible if (labels[largest] == given).all()), None)
