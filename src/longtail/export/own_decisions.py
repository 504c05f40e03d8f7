"""Outputs with a model's own decisions, beside its scores."""

from collections.abc import Mapping, Sequence

import numpy as np

from longtail.repair import Fix


def own_decisions(fix: Fix, scores: str, outputs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Outputs that give the class of the largest score, and the labels (C,) that they give it by.

    They are found by values: one integer or string for each sample, always that of the largest score. Integers that
    never vary could mean anything and do not count.

    Args:
        fix: with its classes in the order of the scores.
        scores: the name of the output with the scores.
        outputs: all outputs of one or more runs of the model, by name.
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
