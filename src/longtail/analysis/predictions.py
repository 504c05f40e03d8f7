"""What a run's saved predictions say of the groups of its classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from longtail.metrics import CalibrationErrors, per_class_recall
from longtail.metrics.groups import GroupBounds
from longtail.posthoc import PostHocLogitAdjustment, PredictionRebalancer
from longtail.runs import RunFolder
from longtail.runs.check_run import complete_result

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)


def class_groups(folder: RunFolder) -> dict[str, NDArray[np.bool_]]:
    """Many, medium and few by training samples, (C,) booleans each, with the bounds of the run.

    Raises:
        ValueError: the run is not complete.

    Example:
        >>> import tempfile
        >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", config={"loss": "ce"}, seed=0)
        >>> folder.finish({"class_counts": [500, 60, 5]})
        >>> {name: own.tolist() for name, own in class_groups(folder).items()}
        {'many': [True, False, False], 'medium': [False, True, False], 'few': [False, False, True]}
    """
    result = complete_result("folder", folder)
    return GroupBounds.of(folder.header["config"]).members(np.asarray(result["class_counts"]))


def trade_off(folder: RunFolder, strengths: Sequence[float] = STRENGTHS) -> dict[float, dict[str, float]]:
    """Mean recall of each group on the test set for each strength τ of re-balancing, fitted on the run's fit set.

    Nothing of the test set is fitted on; NaN for a group without test samples.

    Raises:
        ValueError: the run is not complete.

    Example:
        >>> import tempfile, torch
        >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", config={"loss": "ce"}, seed=0)
        >>> logits = torch.tensor([[4.0, 0.0], [3.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> for name in ("validation", "test"):
        ...     folder.save_predictions(name, logits, torch.tensor([0, 0, 1, 1]))
        >>> folder.finish({"class_counts": [200, 10], "fit_on": "validation"})
        >>> {strength: (recall["many"], recall["few"]) for strength, recall in trade_off(folder, [0.0, 1.0]).items()}
        {0.0: (1.0, 0.5), 1.0: (1.0, 1.0)}
    """
    groups, result = class_groups(folder), complete_result("folder", folder)
    logits, target = folder.load_predictions("test")
    rebalancer = PredictionRebalancer().fit(*folder.load_predictions(result["fit_on"]))
    curve = {}
    for strength in strengths:
        predicted = (logits + strength * rebalancer.offset_).argmax(1)
        recall = per_class_recall(predicted, target, logits.shape[1]).numpy()
        curve[strength] = {name: _mean(recall[own]) for name, own in groups.items()}
    return curve


def accuracy_trade_off(folder: RunFolder, strengths: Sequence[float] = STRENGTHS) -> dict[float, tuple[float, float]]:
    """(Accuracy, balanced accuracy) on the test set for each τ of logit adjustment by the training counts.

    Nothing is fitted on the test set.

    Raises:
        ValueError: the run is not complete.

    Example:
        >>> import tempfile, torch
        >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", config={"loss": "ce"}, seed=0)
        >>> logits = torch.tensor([[4.0, 0.0], [2.5, 0.0], [2.0, 0.0], [1.0, 0.0]])
        >>> folder.save_predictions("test", logits, torch.tensor([0, 0, 0, 1]))
        >>> folder.finish({"class_counts": [200, 10]})
        >>> accuracy_trade_off(folder, [0.0, 0.5])
        {0.0: (0.75, 0.5), 0.5: (1.0, 1.0)}
    """
    result = complete_result("folder", folder)
    logits, target = folder.load_predictions("test")
    offset = PostHocLogitAdjustment(np.asarray(result["class_counts"])).fit().offset_
    curve = {}
    for strength in strengths:
        predicted = (logits + strength * offset).argmax(1)
        recall = per_class_recall(predicted, target, logits.shape[1]).numpy()
        curve[strength] = float((predicted == target).mean()), _mean(recall)
    return curve


def calibration_by_group(folder: RunFolder, part: str = "test") -> dict[str, CalibrationErrors]:
    """Calibration of the run's own probabilities on the images of each group's classes.

    Args:
        folder: a complete run.
        part: the set of samples, such as "test" or "validation".

    Returns:
        For each group that has samples, the errors of its samples.

    Raises:
        ValueError: the run is not complete.

    Example:
        >>> import tempfile, torch
        >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", config={"loss": "ce"}, seed=0)
        >>> logits = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]).log()
        >>> folder.save_predictions("test", logits, torch.tensor([0, 0, 1, 1]))
        >>> folder.finish({"class_counts": [200, 10]})
        >>> {name: round(errors.top_label, 2) for name, errors in calibration_by_group(folder).items()}
        {'many': 0.1, 'few': 0.6}
    """
    groups = class_groups(folder)
    logits, target = folder.load_predictions(part)
    scores = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    probability = scores / scores.sum(1, keepdims=True)
    errors = {}
    for name, own in groups.items():
        rows = own[target]
        if rows.any():
            errors[name] = CalibrationErrors(np.bincount(target[rows], minlength=logits.shape[1]))
            errors[name].add(probability[rows], target[rows], np.ones(int(rows.sum())))
    return errors


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
