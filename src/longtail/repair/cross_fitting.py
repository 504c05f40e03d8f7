"""Scores on data that no fit has seen: offsets are fitted, and their strength is chosen, on the other folds only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longtail.repair.candidates import Candidate, Decision, Offsets
from longtail.repair.folds import stratified_folds
from longtail.repair.goals import Goal

INNER_FOLDS = 4


@dataclass(frozen=True)
class CrossFitted:
    """What one candidate does.

    Attributes:
        predicted: (N,) decisions, each by offsets that have not seen its fold.
        served: fitted on all data; what would be served.
        strength: with which.
        curve: for each strength the cross-fitted decisions, (N,).
        fold: (N,) of each sample.
        fold_offsets: (folds, C) those that decided in each fold, where offsets did.
    """

    predicted: np.ndarray
    served: Decision
    strength: float
    curve: dict[float, np.ndarray]
    fold: np.ndarray
    fold_offsets: np.ndarray


def cross_fit(
    candidate: Candidate,
    logits: np.ndarray,
    target: np.ndarray,
    goal: Goal,
    *,
    folds: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> CrossFitted:
    """Fit a candidate on all folds but one, for each in turn, and on all data.

    Args:
        candidate: what is fitted.
        logits: (N, C) float64.
        target: (N,) class indices.
        goal: what the strength is chosen for.
        folds: at least 2.
        seed: of the folds.
        groups: samples of one group share a fold.

    Raises:
        NoFixedPointError: of a candidate that goes to a fixed point.
    """
    fold = stratified_folds(target, folds, seed, groups)
    predicted = np.empty(len(target), dtype=np.int64)
    fold_offsets = np.zeros((folds, logits.shape[1]))
    curve = {strength: np.empty(len(target), dtype=np.int64) for strength in candidate.strengths}
    for number in range(folds):
        held_out, rest = fold == number, fold != number
        if not held_out.any():
            continue
        strength = chosen_strength(
            candidate, logits[rest], target[rest], goal, seed, None if groups is None else groups[rest]
        )
        fitted = candidate.fit(logits[rest], target[rest], goal)
        for step, decisions in curve.items():
            decisions[held_out] = fitted.decide(logits[held_out], step)
        predicted[held_out] = curve[strength][held_out]
        if isinstance(fitted, Offsets):
            fold_offsets[number] = strength * fitted.direction
    strength = chosen_strength(candidate, logits, target, goal, seed, groups)
    served = candidate.fit(logits, target, goal)
    return CrossFitted(predicted, served, strength, curve, fold, fold_offsets)


def chosen_strength(
    candidate: Candidate,
    logits: np.ndarray,
    target: np.ndarray,
    goal: Goal,
    seed: int,
    groups: np.ndarray | None = None,
) -> float:
    """The strength that scores best on folds of these data, the smallest of several that do."""
    fold = stratified_folds(target, INNER_FOLDS, seed + 1, groups)
    decisions = {strength: np.empty(len(target), dtype=np.int64) for strength in candidate.strengths}
    for number in np.unique(fold):
        held_out, rest = fold == number, fold != number
        if not rest.any():
            return 0.0
        fitted = candidate.fit(logits[rest], target[rest], goal)
        for strength, predicted in decisions.items():
            predicted[held_out] = fitted.decide(logits[held_out], strength)
    return best_of(decisions, target, goal, logits.shape[1])


def best_of(decisions: dict[float, np.ndarray], target: np.ndarray, goal: Goal, num_classes: int) -> float:
    """The key of the best decisions, the first of several that are."""
    count = np.ones(len(target))
    strengths: Sequence[float] = sorted(decisions)
    scores = [goal.score(target, decisions[strength], count, num_classes) for strength in strengths]
    return strengths[int(np.argmax(np.round(scores, 12)))]
