"""Candidates compared on one set of samples, by cross-fitting that is repeated with other folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.repair.candidates import Candidate, CandidateError
from longtail.repair.choice import Chooser, Limits, Option
from longtail.repair.cross_fitting import CrossFitted, cross_fit
from longtail.repair.decisions import Offsets
from longtail.repair.findings import Outcome, mean_scores
from longtail.repair.folds import Splits
from longtail.repair.judge import Judge
from longtail.repair.metrics import NonLinearMetric
from longtail.repair.samples import Samples

Fits = Mapping[str, Sequence[CrossFitted]]
"""Of each candidate, one per repeat."""


@dataclass(frozen=True)
class Compared:
    """The results.

    Attributes:
        outcomes: of each candidate, in their order.
        best: the outcome of the one that is chosen; if that is none, of the one with the largest gain.
        fits: of those that did not fail.
    """

    outcomes: tuple[Outcome, ...]
    best: Outcome
    fits: Fits

    def decisions_of_best(self) -> list[np.ndarray]:
        """Cross-fitted predictions (N,) of the option that is chosen, of each repeat."""
        return [own.curve[self.best.strength] for own in self.fits[self.best.name]]


def compare(
    rules: Sequence[Candidate], samples: Samples, repeats: Sequence[Splits], judge: Judge, limits: Limits
) -> Compared:
    """Fit all candidates with all folds, choose one of them and its τ, and score each.

    The choice is made on all samples, and its score there is too good. So the gain is that of predictions for which
    each fold's candidate and τ are chosen on the other folds. What is served is fitted on all folds, and by as much
    better as fits on fewer folds let expect. Both together are the `optimism` of an outcome.
    """
    fits: Fits
    fits, failures = _fitted(rules, samples, repeats, judge)
    chooser = Chooser(judge, limits)
    chosen = chooser.among(_options(_curves(fits)))
    outcomes = []
    for rule in rules:
        if rule.name in failures:
            outcomes.append(Outcome(rule.name, failure=failures[rule.name]))
            continue
        own, option = fits, chosen
        if rule.name != chosen.candidate:
            own = {rule.name: fits[rule.name]}
            option = chooser.among(_options(_curves(own)))
        outcomes.append(_outcome(option, own, chooser, judge, samples.scale))
    best = next(outcome for outcome in outcomes if outcome.name == chosen.candidate)
    if chosen.strength == 0:  # no correction is chosen: what the most promising one would do is shown
        best = max((own for own in outcomes if own.failure is None), key=lambda own: own.gain)
    return Compared(tuple(outcomes), best, fits)


def _fitted(
    rules: Sequence[Candidate], samples: Samples, repeats: Sequence[Splits], judge: Judge
) -> tuple[dict[str, list[CrossFitted]], dict[str, str]]:
    fits: dict[str, list[CrossFitted]] = {}
    failures: dict[str, str] = {}
    for rule in rules:
        try:
            fits[rule.name] = [cross_fit(rule, samples, splits, judge.metric) for splits in repeats]
        except (NoFixedPointError, CandidateError) as error:
            failures[rule.name] = str(error)
    return fits, failures


Curves = Mapping[str, Sequence[Mapping[float, np.ndarray]]]


def _curves(fits: Fits) -> Curves:
    return {name: [own.curve for own in each] for name, each in fits.items()}


def _options(curves: Curves) -> dict[Option, list[np.ndarray]]:
    return {
        Option(name, strength): [own[strength] for own in repeats]
        for name, repeats in curves.items()
        for strength in repeats[0]
    }


def _outcome(chosen: Option, fits: Fits, chooser: Chooser, judge: Judge, scale: float) -> Outcome:
    """Of an option that was chosen among all of `fits`, on logits that are `scale` times the given ones."""
    repeats = [own.curve for own in fits[chosen.candidate]]
    curve = {strength: mean_scores([judge.scores(own[strength]) for own in repeats]) for strength in repeats[0]}
    excluded = tuple(strength for strength in curve if not chooser.allows([own[strength] for own in repeats]))
    served = fits[chosen.candidate][0].served
    offset = chosen.strength * served.direction / scale if isinstance(served, Offsets) else None
    if chosen.strength == 0:
        return Outcome(chosen.candidate, curve[0.0], curve=curve, offset=offset, excluded=excluded)
    nested = [_nested(chooser, {name: own[place] for name, own in fits.items()}) for place in range(len(repeats))]
    estimate = np.mean([judge.estimate(own[chosen.strength]) for own in repeats], axis=0)
    gain = float(np.mean([judge.estimate(own).gain for own in nested]))
    gain += float(np.mean([_growth(own, chosen.strength, judge) for own in fits[chosen.candidate]]))
    optimism = float(estimate[0]) - gain
    return Outcome(
        chosen.candidate,
        curve[chosen.strength].with_score(judge.score(judge.raw) + gain),
        gain,
        _less_optimism(float(estimate[1]), float(estimate[2]), optimism),
        chosen.strength,
        curve,
        offset,
        optimism=optimism,
        excluded=excluded,
    )


def _less_optimism(low: float, high: float, optimism: float) -> tuple[float, float]:
    """The interval widened by the optimism: it is itself estimated on few samples, so one end stays."""
    return low - max(optimism, 0.0), high - min(optimism, 0.0)


def _growth(fitted: CrossFitted, strength: float, judge: Judge) -> float:
    """By how much the metric of the fit on all K folds is above that of fits on K − 1.

    The loss by fitting on n samples is taken to be in proportion to 1/n, and found from fits on K − 1 and on K − 2
    folds. Non-linear metrics, whose scores on few samples are biased, have none.
    """
    if isinstance(judge.metric, NonLinearMetric):
        return 0.0
    fewer = np.mean([judge.score(own) for own in fitted.by_fewer_samples(strength)])
    number = fitted.splits.number
    return float(judge.score(fitted.curve[strength]) - fewer) * (number - 2) / number


def _nested(chooser: Chooser, fits: Mapping[str, CrossFitted]) -> np.ndarray:
    """Predictions (N,) of one repeat: the candidate and τ of each fold are chosen on the other folds."""
    splits = next(iter(fits.values())).splits
    predicted = np.empty(len(splits.fold), dtype=np.int64)
    for number in range(splits.number):
        inner = {name: [own.of_the_others(number)] for name, own in fits.items()}
        name, strength = chooser.where(splits.fold != number).among(_options(inner))
        held_out = splits.fold == number
        predicted[held_out] = fits[name].curve[strength][held_out]
    return predicted
