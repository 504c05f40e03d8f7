"""Candidates compared: the gain is that of choices which have not seen the samples."""

import numpy as np
import pytest

from longtail.repair import diagnose
from longtail.repair.candidates import Candidate
from longtail.repair.choice import Limits
from longtail.repair.comparison import compare
from longtail.repair.decisions import Offsets
from longtail.repair.folds import Splits, stratified_folds
from longtail.repair.judge import Judge
from longtail.repair.metrics import BalancedAccuracy, MacroF1, WorstRecall
from longtail.repair.samples import Samples

SLANT = np.array([2.5, 1.5, 0.5, 0.0])


def slanted(counts=(300, 120, 60, 30), seed=0):
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.repeat(np.arange(4), counts))
    return rng.normal(size=(len(target), 4)) + 2 * np.eye(4)[target] + SLANT, target


BALANCED = BalancedAccuracy()


def judged(logits, target, metric=BALANCED):
    parts = {"all": np.ones(4, dtype=bool)}
    return Judge(metric, target, np.ones(len(target)), logits.argmax(1), parts, 0.95, None)


def constant(name, direction, strengths=(0.0, 1.0)):
    """A candidate that learns nothing."""

    def fit(samples, splits, metric):
        return [Offsets(direction)] * len(splits.left_out)

    return Candidate(name, fit, strengths)


def splits_of(target, repeats=2):
    return [Splits(stratified_folds(target, 3, (0, repeat)), 3) for repeat in range(repeats)]


def test_a_candidate_without_choices_has_no_optimism():
    logits, target = slanted()
    found = compare(
        [constant("known", -SLANT)], Samples.of(logits, target), splits_of(target), judged(logits, target), Limits()
    )
    decided = (logits - SLANT).argmax(1)
    score = BalancedAccuracy().score
    expected = score(target, decided, np.ones(len(target)), 4) - score(
        target, logits.argmax(1), np.ones(len(target)), 4
    )
    assert found.best.strength == 1.0
    assert found.best.gain == pytest.approx(expected)
    assert found.best.optimism == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
def test_the_best_of_many_useless_candidates_is_too_good():
    rng = np.random.default_rng(0)
    optimism = []
    for seed in range(20):
        logits, target = slanted(seed=seed)
        logits = logits - SLANT
        rules = [constant(f"noise {number}", rng.normal(size=4) * 0.4, (1.0,)) for number in range(12)]
        judge = judged(logits, target)
        best = compare(rules, Samples.of(logits, target), splits_of(target, 1), judge, Limits()).best
        assert best.gain + best.optimism == pytest.approx(best.curve[1.0].score - judge.score(judge.raw))
        optimism.append(best.optimism)
    assert np.mean(optimism) > 2 * np.std(optimism) / np.sqrt(len(optimism))


def test_a_fit_on_all_samples_is_as_much_better_as_fits_on_fewer_let_expect():
    """A candidate whose offsets are off by 1/n: those of the fits without one and two of three folds are measured."""
    logits, target = slanted()
    noise = np.array([1.0, -1.0, 1.0, -1.0])

    def fit(samples, splits, metric):
        return [Offsets(-SLANT + noise / (3 - len(folds))) for folds in splits.left_out]

    found = compare(
        [Candidate("noisy", fit, (1.0,))],
        Samples.of(logits, target),
        splits_of(target, 1),
        judged(logits, target),
        Limits(),
    )
    one, count = BalancedAccuracy().score, np.ones(len(target))
    all_folds, two, single = (one(target, (logits - SLANT + noise / folds).argmax(1), count, 4) for folds in (3, 2, 1))
    before = one(target, logits.argmax(1), count, 4)
    assert single < two < all_folds
    assert found.best.gain == pytest.approx(two - before + (two - single) / 3)
    assert found.best.optimism == pytest.approx(-(two - single) / 3)


@pytest.mark.parametrize("metric", [BalancedAccuracy(), MacroF1(), WorstRecall()])
@pytest.mark.slow
def test_optimism_is_taken_off_the_gain_and_widens_the_interval(metric):
    rng = np.random.default_rng(0)
    optimism = []
    for seed in range(12):
        logits, target = slanted((60, 30, 10, 3), seed)
        directions = {f"noise {number}": 0.4 * rng.normal(size=4) - SLANT / 2 for number in range(6)}
        rules = [constant(name, direction, (1.0,)) for name, direction in directions.items()]
        judge = judged(logits, target, metric)
        best = compare(rules, Samples.of(logits, target), splits_of(target, 1), judge, Limits()).best
        gain, low, high = judge.estimate([(logits + directions[best.name]).argmax(1)])
        optimism.append(best.optimism)
        assert best.gain == pytest.approx(gain - best.optimism)
        assert best.interval[0] <= best.gain <= best.interval[1]
        assert best.interval == pytest.approx((low - max(best.optimism, 0), high - min(best.optimism, 0)))
    assert min(optimism) < 0 < max(optimism)


@pytest.mark.slow
def test_scores_are_those_of_the_tau_that_is_served():
    logits, target = slanted()
    found = diagnose(logits, target, repeats=3)
    best = next(outcome for outcome in found.outcomes if outcome.name == found.best)
    served = best.curve[best.strength]
    assert best.scores.accuracy == served.accuracy
    assert best.scores.groups == served.groups
    assert best.scores.score == pytest.approx(found.before.score + best.gain)
    assert best.scores.score + best.optimism == pytest.approx(served.score)
    np.testing.assert_allclose(found.by_class.recall[1], served.recall, rtol=1e-12)
    np.testing.assert_allclose(found.fix.offset, best.offset / best.offset[0] * found.fix.offset[0])


def test_no_correction_has_no_gain():
    logits, target = slanted((100, 100, 100, 100))
    for outcome in diagnose(logits - SLANT, target).outcomes:
        assert (outcome.strength == 0) == (outcome.gain == 0 and outcome.interval == (0.0, 0.0))


@pytest.mark.slow
def test_limits_are_kept_by_what_is_served():
    logits, target = slanted()
    free, limited = diagnose(logits, target), diagnose(logits, target, max_accuracy_loss=0.5, max_class_loss=4)
    none = diagnose(logits, target, max_class_loss=0)
    loss = [100 * (found.before.accuracy - found.outcomes[2].scores.accuracy) for found in (free, limited)]
    best = next(outcome for outcome in limited.outcomes if outcome.name == limited.best)
    assert free.verdict == limited.verdict == "use"
    assert loss[1] <= 0.5
    assert best.strength > 0
    assert best.excluded
    assert best.strength not in best.excluded
    assert limited.fix.evidence["max_class_loss"] == 4
    assert none.verdict != "use"
    assert "Within the limits on losses, no candidate" in none.summary


@pytest.mark.parametrize("scale", [0.2, 37.0])
@pytest.mark.slow
def test_verdict_and_decisions_do_not_depend_on_the_scale_of_logits(scale):
    logits, target = slanted()
    fresh, _ = slanted(seed=1)
    plain, scaled = diagnose(logits, target, repeats=3), diagnose(scale * logits, target, repeats=3)
    assert (plain.verdict, plain.fix.method) == (scaled.verdict, scaled.fix.method)
    np.testing.assert_allclose(scaled.fix.offset, scale * plain.fix.offset, rtol=1e-4, atol=1e-3 * scale)
    assert (plain.fix.predict(fresh) == scaled.fix.predict(scale * fresh)).mean() >= 0.999
    assert [o.gain for o in scaled.outcomes] == pytest.approx([o.gain for o in plain.outcomes], abs=2e-3)


@pytest.mark.parametrize("metric", ["balanced-accuracy", "macro-f1", "worst-tenth"])
@pytest.mark.slow
def test_verdict_and_decisions_do_not_depend_on_the_order_of_rows_and_columns(metric):
    logits, target = slanted()
    fresh, _ = slanted(seed=1)
    rows, columns = np.random.default_rng(0).permutation(len(target)), np.array([2, 0, 3, 1])
    plain = diagnose(logits, target, metric=metric, repeats=3)
    moved = diagnose(logits[rows][:, columns], np.argsort(columns)[target[rows]], metric=metric, repeats=3)
    assert (plain.verdict, plain.fix.method) == (moved.verdict, moved.fix.method)
    assert [o.gain for o in moved.outcomes] == pytest.approx([o.gain for o in plain.outcomes], abs=1e-9)
    np.testing.assert_allclose(moved.fix.offset, plain.fix.offset[columns], atol=1e-5)
    assert (columns[moved.fix.predict(fresh[:, columns])] == plain.fix.predict(fresh)).mean() >= 0.999


@pytest.mark.slow
def test_decisions_hardly_depend_on_the_seed():
    logits, target = slanted()
    fresh, _ = slanted(seed=1)
    decided = [diagnose(logits, target, seed=seed, repeats=10).fix.predict(fresh) for seed in range(3)]
    assert min((one == other).mean() for one in decided for other in decided) >= 0.98
