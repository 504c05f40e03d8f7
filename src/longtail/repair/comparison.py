"""Candidates compared on one set of samples, by cross-fitting that is repeated with other folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.repair.candidates import Candidate, CandidateError
from longtail.repair.choice import Chooser, Limits, Option, RatedOptions
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
    rated = chooser.rated(_options(_curves(fits)))
    chosen = rated.best()
    served = {name: rated.best(name) for name in fits} | {chosen.candidate: chosen}
    nested = _nested(chooser, fits, chosen.candidate)
    outcomes = [
        Outcome(rule.name, failure=failures[rule.name])
        if rule.name in failures
        else _outcome(served[rule.name], fits[rule.name], nested[rule.name], rated, samples.scale)
        for rule in rules
    ]
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


def _outcome(
    chosen: Option, fits: Sequence[CrossFitted], nested: Sequence[np.ndarray], rated: RatedOptions, scale: float
) -> Outcome:
    """Of the option of a candidate that is served, on logits that are `scale` times the given ones.

    Args:
        chosen: the option.
        fits: of its candidate.
        nested: predictions (N,) of each repeat, for which options were chosen on other folds.
        rated: the options that keep the limits.
        scale: of the logits.
    """
    judge, repeats = rated.judge, [own.curve for own in fits]
    curve = {strength: mean_scores([judge.scores(own[strength]) for own in repeats]) for strength in repeats[0]}
    excluded = tuple(strength for strength in curve if Option(chosen.candidate, strength) not in rated.decisions)
    served = fits[0].served
    offset = chosen.strength * served.direction / scale if isinstance(served, Offsets) else None
    if chosen.strength == 0:
        return Outcome(chosen.candidate, curve[0.0], curve=curve, offset=offset, excluded=excluded)
    estimate = judge.estimate([own[chosen.strength] for own in repeats])
    gain = judge.estimate(nested).gain
    gain += float(np.mean([_growth(own, chosen.strength, judge) for own in fits]))
    optimism = estimate.gain - gain
    return Outcome(
        chosen.candidate,
        curve[chosen.strength].with_score(judge.score(judge.raw) + gain),
        gain,
        _less_optimism(estimate.low, estimate.high, optimism),
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


def _nested(chooser: Chooser, fits: Fits, best: str) -> dict[str, list[np.ndarray]]:
    """Predictions (N,) for each repeat, where τ is chosen on the folds that a sample is not in.

    For the candidate `best` the candidate is chosen there, too, as it was on all samples.
    """
    nested: dict[str, list[np.ndarray]] = {name: [] for name in fits}
    for place, first in enumerate(fits[best]):
        repeat = {name: own[place] for name, own in fits.items()}
        predicted = {name: np.empty_like(first.own[0]) for name in fits}
        for number in range(first.splits.number):
            held_out = first.splits.fold == number
            for name, (candidate, strength) in _chosen_without(chooser, repeat, number, best).items():
                predicted[name][held_out] = repeat[candidate].curve[strength][held_out]
        for name, own in predicted.items():
            nested[name].append(own)
    return nested


def _chosen_without(chooser: Chooser, repeat: Mapping[str, CrossFitted], number: int, best: str) -> dict[str, Option]:
    """The option of each candidate, and the best of all for the candidate `best`, on all folds but one."""
    fold = next(iter(repeat.values())).splits.fold
    options = _options({name: [own.of_the_others(number)] for name, own in repeat.items()})
    rated = chooser.where(fold != number).rated(options)
    return {name: rated.best(None if name == best else name) for name in repeat}
