"""What may help a trained model: rules that decide by its scores, each of a strength τ; 0 leaves them as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from longtail.posthoc import PostHocLogitAdjustment, PredictionRebalancer
from longtail.repair.calibration import fit_calibration, probabilities
from longtail.repair.goals import ExpectedCost, Goal

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


class Decision(Protocol):
    """A fitted rule."""

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """Class indices (N,); strength 0 decides as the model does."""


@dataclass(frozen=True)
class Offsets:
    """argmax(z + τ · direction)."""

    direction: np.ndarray

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """Block by block."""
        offset = strength * self.direction
        blocks = np.array_split(logits, max(1, len(logits) // 65536))
        return np.concatenate([(block + offset).argmax(1) for block in blocks])


@dataclass(frozen=True)
class LeastCost:
    """The decision of the least expected cost, by calibrated probabilities: argmin_j Σ_c p_c cost_cj."""

    temperature: float
    offset: np.ndarray
    cost: np.ndarray

    def decide(self, logits: np.ndarray, strength: float) -> np.ndarray:
        """Strength 1 is the rule; there is nothing between."""
        if strength == 0:
            return np.asarray(logits.argmax(1))
        return np.asarray((probabilities(logits, self.temperature, self.offset) @ self.cost).argmin(1))


Rule = Callable[[np.ndarray, np.ndarray, Goal], Decision]


@dataclass(frozen=True)
class Candidate:
    """One rule.

    Attributes:
        name: as a report says it.
        fit: from logits (N, C), labels (N,) and the goal to what decides.
        strengths: what τ is chosen from; 0 is the model as it is.
    """

    name: str
    fit: Rule
    strengths: tuple[float, ...] = STRENGTHS


def candidates(goal: Goal, class_counts: np.ndarray | None = None) -> list[Candidate]:
    """All rules; logit adjustment is among them where the training counts are known, least cost for costs."""
    rules = [
        Candidate("re-balancing", lambda z, y, goal: Offsets(_rebalancing(z, y, goal, converge=False))),
        Candidate(
            "re-balancing to the fixed point", lambda z, y, goal: Offsets(_rebalancing(z, y, goal, converge=True))
        ),
        Candidate(
            "offsets fitted to the goal", lambda z, y, goal: Offsets(fitted_to_goal(z, y, goal)), (0.0, 0.5, 1.0)
        ),
    ]
    if isinstance(goal, ExpectedCost):
        cost = goal.cost

        def least(logits: np.ndarray, target: np.ndarray, goal: Goal) -> LeastCost:
            return LeastCost(*fit_calibration(logits, target, goal.prior(logits.shape[1])), cost)

        rules.append(Candidate("least expected cost", least, (0.0, 1.0)))
    if class_counts is not None:
        counts = np.asarray(class_counts)

        def adjustment(logits: np.ndarray, _: np.ndarray, goal: Goal) -> Offsets:
            prior = goal.prior(logits.shape[1])
            return Offsets(centred(PostHocLogitAdjustment(counts, target_prior=prior).fit().offset_))

        rules.insert(2, Candidate("logit adjustment", adjustment))
    return rules


def _rebalancing(logits: np.ndarray, target: np.ndarray, goal: Goal, *, converge: bool) -> np.ndarray:
    """On the classes that have a sample; the others get the mean offset: nothing is known of them."""
    present = np.bincount(target, minlength=logits.shape[1]) > 0
    prior = goal.prior(logits.shape[1]) * present
    expected = prior > 0
    if expected.sum() < 2:
        return np.zeros(logits.shape[1])
    column = np.cumsum(expected) - 1
    kept = expected[target]
    rebalancer = PredictionRebalancer(target_prior=prior[expected] / prior[expected].sum(), converge=converge)
    fitted = rebalancer.fit(logits[kept][:, expected], column[target[kept]])
    offset = np.zeros(logits.shape[1])
    offset[expected] = centred(fitted.offset_)
    return offset


def centred(offset: np.ndarray) -> np.ndarray:
    """Of mean 0 over the classes whose offset is finite; decisions stay as they are."""
    return np.asarray(offset - offset[np.isfinite(offset)].mean())


def fitted_to_goal(
    logits: np.ndarray, target: np.ndarray, goal: Goal, *, sweeps: int = 2, steps: int = 16
) -> np.ndarray:
    """Offsets that make the goal's score on these very data large, class after class, from re-balancing on.

    For each class all other offsets stay, and its own moves to the best of `steps` places, quantiles of the margins by
    which it wins or loses samples. It fits noise where a class has few samples: a score on other data tells.
    """
    num_classes, count = logits.shape[1], np.ones(len(target))
    scores = logits + _rebalancing(logits, target, goal, converge=False)
    offset: np.ndarray = scores[0] - logits[0]
    rows = np.arange(len(target))
    best = goal.score(target, scores.argmax(1), count, num_classes)
    for _ in range(sweeps):
        for label in np.unique(target):
            own = scores[:, label].copy()
            scores[:, label] = -np.inf
            rival = scores.argmax(1)
            margin = scores[rows, rival] - own
            # Between two samples' margins, so that a tie decides nothing.
            places = np.quantile(margin, (np.arange(steps) + 0.5) / steps)
            values = [goal.score(target, np.where(margin < move, label, rival), count, num_classes) for move in places]
            move = 0.0
            if max(values) > best + 1e-12:
                best, move = max(values), float(places[int(np.argmax(values))])
            scores[:, label] = own + move
            offset[label] += move
    return centred(offset)
