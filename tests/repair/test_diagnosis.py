import numpy as np
import pandas as pd
import pytest
import torch

from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.repair import Fix, diagnose
from longtail.repair.candidates import candidates
from longtail.repair.coordinate_ascent import fitted_to_metric
from longtail.repair.cross_fitting import cross_fit
from longtail.repair.folds import Splits, stratified_folds
from longtail.repair.metrics import BalancedAccuracy
from longtail.repair.samples import Samples

COUNTS = [600, 300, 100, 60, 30]
SLANT = np.array([3.0, 2.0, 1.0, 0.5, 0.0])


def predictions(counts=COUNTS, slant=SLANT, seed=0):
    """Logits of a model that prefers frequent classes by as much as `slant` says."""
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return rng.normal(size=(len(target), len(counts))) + 2 * np.eye(len(counts))[target] + slant, target


@pytest.mark.slow
def test_a_slanted_model_is_repaired_and_the_gain_is_real():
    logits, target = predictions()
    found = diagnose(logits, target, class_counts=COUNTS)
    assert found.verdict == "use"
    fresh, truth = predictions([400] * 5, seed=1)
    before, after = (fresh.argmax(1) == truth).mean(), (found.fix.predict(fresh) == truth).mean()
    best = max(found.outcomes, key=lambda outcome: outcome.gain)
    assert after - before > 0.1
    low, high = best.interval
    assert low - 0.02 <= after - before <= high + 0.02
    assert found.before.score == pytest.approx(before, abs=0.05)
    assert found.groups == {"many": 2, "medium": 3, "few": 0}
    assert found.before.groups["few"] is None
    assert "Use " in found.summary
    assert found.worst[0][0] == "4"
    assert found.calibration.top_label[1] < found.calibration.top_label[0]


def test_a_balanced_model_is_left_alone():
    logits, target = predictions([300] * 5, slant=0.0)
    found = diagnose(logits, target)
    assert found.verdict == "keep"
    assert not found.fix.offset.any()
    assert found.fix.method == "the model as it is"
    assert found.summary.startswith("No significant gain: keep your model.")
    assert list(found.groups) == ["head third", "middle third", "tail third"]


def test_few_samples_say_nothing():
    logits, target = predictions([6, 4, 3, 2, 1], slant=SLANT / 3)
    found = diagnose(logits, target)
    assert found.verdict == "too few"
    assert "Too few samples to tell" in found.summary
    assert "the rarest class here has 1 sample." in found.summary


def test_one_sample_a_class_is_too_few_however_narrow_the_interval():
    rng = np.random.default_rng(0)
    found = diagnose(rng.normal(size=(40, 40)), np.arange(40))
    assert found.verdict == "too few"
    assert "Too few samples to tell: the rarest class here has 1 sample." in found.summary


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.slow
def test_noise_is_not_mistaken_for_a_gain(seed):
    """Labels that have nothing to do with the logits: any gain would be one of a fit on what it is judged by."""
    rng = np.random.default_rng(seed)
    logits, target = rng.normal(size=(600, 6)), rng.integers(0, 6, 600)
    metric = BalancedAccuracy()
    own = metric.score(
        target, (logits + fitted_to_metric(Samples.of(logits, target), metric, np.zeros(6))).argmax(1), np.ones(600), 6
    )
    assert own > 1 / 6 + 0.015  # on its own data the fit looks like a gain
    assert diagnose(logits, target).verdict != "use"


@pytest.mark.parametrize("name", [rule.name for rule in candidates(BalancedAccuracy())])
def test_no_decision_has_seen_its_own_label(name):
    """Two labels of a fold are swapped: its own decisions stay, and so do those that are made without it."""
    logits, target = predictions([80, 40, 30, 20, 20])
    metric = BalancedAccuracy()
    fold = stratified_folds(target, 3, 0)
    splits = Splits(fold, 3)

    def fitted(labels):
        rule = next(rule for rule in candidates(metric) if rule.name == name)
        return cross_fit(rule, Samples.of(logits, labels), splits, metric)

    first = fitted(target)
    for number in range(3):
        own = np.flatnonzero(fold == number)
        swapped = target.copy()
        a, b = next((a, b) for a in own for b in own if target[a] != target[b])
        swapped[a], swapped[b] = target[b], target[a]
        second = fitted(swapped)
        for strength in first.strengths:
            assert (second.curve[strength][own] == first.curve[strength][own]).all()
            assert (second.of_the_others(number)[strength] == first.of_the_others(number)[strength]).all()


@pytest.mark.parametrize("metric", ["macro-f1", "worst-tenth", "balanced-accuracy", "accuracy"])
@pytest.mark.slow
def test_every_metric_is_optimised(metric):
    logits, target = predictions()
    prior = [0.05, 0.05, 0.1, 0.2, 0.6] if metric == "accuracy" else "uniform"
    found = diagnose(logits, target, metric=metric, prior=prior)
    assert found.verdict == "use"
    assert found.fix.evidence["after"] > found.fix.evidence["before"]


@pytest.mark.slow
def test_costs_are_decided_by_calibrated_probabilities(tmp_path):
    logits, target = predictions([400, 300, 200, 100, 100], slant=0.0)
    cost = 1 - np.eye(5)
    cost[4, :4] = 20.0  # to miss class 4 is what must not happen
    found = diagnose(logits, target, metric="cost", cost=cost)
    assert found.verdict == "use"
    fresh, truth = predictions([400] * 5, slant=0.0, seed=1)
    before, after = (cost[truth, decided].mean() for decided in (fresh.argmax(1), found.fix.predict(fresh)))
    assert after < 0.6 * before
    gains = {outcome.name: outcome.gain for outcome in found.outcomes}
    assert gains["least expected cost"] > gains["re-balancing"] + 0.1
    assert found.fix.cost is not None
    assert f"expected cost per decision {-found.before.score:.3g} → " in found.summary
    assert "points" not in found.summary
    probability = found.fix.predict_proba(fresh)
    np.testing.assert_array_equal(found.fix.predict(fresh), (probability @ cost).argmin(1))
    loaded = Fix.load(found.fix.save(tmp_path / "fix.json"))
    np.testing.assert_array_equal(loaded.predict(fresh), found.fix.predict(fresh))
    with pytest.raises(ValueError, match="This one decides by costs"):
        found.fix.fold_into(torch.nn.Linear(2, 5))


@pytest.mark.slow
def test_costs_are_not_decided_by_probabilities_of_no_temperature():
    """Scores that are unrelated to the labels have no best temperature."""
    rng = np.random.default_rng(0)
    target = np.arange(300) % 3
    logits = 2 * rng.normal(size=(300, 3)) - 1.0 * np.eye(3)[target]
    found = diagnose(logits, target, metric="cost", cost=1 - np.eye(3), repeats=1)
    left_out = next(outcome for outcome in found.outcomes if outcome.name == "least expected cost")
    assert left_out.failure.startswith("skipped, because no temperature fits best")
    assert found.verdict != "use"


@pytest.mark.slow
def test_classes_that_never_come_are_not_preferred():
    logits, target = predictions([300, 200, 100], slant=SLANT[:3])
    logits = np.hstack([logits, np.full((600, 1), -1.0)])
    found = diagnose(logits, target)
    assert (found.fix.predict(logits) == 3).mean() < 0.1


@pytest.mark.slow
def test_names_groups_and_tensors():
    logits, target = predictions()
    names = ["a", "b", "c", "d", "e"]
    groups = np.arange(len(target)) // 3
    found = diagnose(torch.from_numpy(logits), torch.from_numpy(target), class_names=names, groups=groups)
    assert found.fix.class_names == tuple(names)
    assert found.worst[0][0] == "e"
    assert found.fix.evidence["samples"] == len(target)


@pytest.mark.slow
def test_a_fixed_point_that_is_not_there_is_told(monkeypatch):
    logits, target = predictions([60, 40, 30, 20, 20])

    def fail(*_, **__):
        raise NoFixedPointError("The fixed point was not reached.")

    monkeypatch.setattr("longtail.repair.candidates.offsets_of_means", fail)
    failures = {outcome.name: outcome.failure for outcome in diagnose(logits, target).outcomes}
    assert failures["re-balancing to the fixed point"] == "The fixed point was not reached."
    assert failures["re-balancing"] is None


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"target": np.zeros(20, dtype=int)}, ValueError, "must hold at least two classes. Got only class 0"),
        ({"target": np.full(20, 9)}, (ValueError, IndexError), "`target`"),
        ({"target": np.zeros(3, dtype=int)}, ValueError, "`target` must hold one label per sample"),
        ({"logits": np.full((20, 3), np.nan)}, ValueError, "`logits` must be finite"),
        ({"logits": np.zeros((0, 3)), "target": np.zeros(0, dtype=int)}, ValueError, "N at least 1"),
        ({"class_counts": [1, 2]}, ValueError, "`class_counts` must hold 3 counts, one per class. Got 2"),
        ({"class_names": ["a", "b"]}, ValueError, "`class_names` must hold 3 names"),
        (
            {"class_names": ["a", "b", "a"]},
            ValueError,
            "`class_names` must differ from each other and not be empty. Got 'a', 'b', 'a'",
        ),
        ({"class_names": ["a", " a", "b"]}, ValueError, "`class_names` must differ from each other"),
        ({"class_names": ["a", "", "b"]}, ValueError, "and not be empty"),
        ({"class_names": "abc"}, TypeError, "`class_names` must be a sequence of names. Got the text 'abc'"),
        ({"class_names": {"a", "b", "c"}}, TypeError, "`class_names` must be in the order of the classes. Got a set"),
        ({"groups": [None, "a"] * 10}, ValueError, "`groups` must hold a group for each sample. Sample 0 has none"),
        ({"groups": np.where(np.arange(20) == 7, np.nan, np.arange(20))}, ValueError, "Sample 7 has none"),
        ({"sample_weight": ["a"] * 20}, TypeError, "`sample_weight` must hold numbers. Got"),
        ({"logits": np.ma.masked_less(np.eye(3)[np.arange(20) % 3], 0.5)}, TypeError, "must have no masked values"),
        ({"groups": np.ma.masked_equal(np.arange(20), 3)}, TypeError, "`groups` must have no masked values"),
        ({"sample_weight": np.ma.masked_equal(np.arange(1, 21), 3)}, TypeError, "`sample_weight` must have no masked"),
        ({"groups": np.zeros(20)}, ValueError, "`groups` must hold at least three groups"),
        ({"groups": np.zeros(3)}, ValueError, "`groups` must hold one group per sample"),
        ({"folds": 21}, ValueError, "`folds` must be at most 20"),
        (
            {"prior": [0.0, 0.0, 1.0], "metric": "accuracy", "target": np.arange(20) % 2},
            ValueError,
            "It is 0 for all of them",
        ),
        ({"class_names": ["a", "b", "\ud800"]}, ValueError, "`class_names` must be valid Unicode"),
        ({"folds": 1}, ValueError, "`folds` must be at least 3"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0"),
        ({"metric": "accuracy", "prior": [0.5, 0.2, 0.2]}, ValueError, "`prior`"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    rng = np.random.default_rng(0)
    arguments = {"logits": rng.normal(size=(20, 3)), "target": rng.integers(0, 3, 20), **change}
    with pytest.raises(error, match=message):
        diagnose(arguments.pop("logits"), arguments.pop("target"), **arguments)


@pytest.mark.parametrize("prior", [[0.5, 0.5, 0.0, 0.0, 0.0], [0.0, 0.25, 0.25, 0.25, 0.25]])
@pytest.mark.slow
def test_a_prior_with_zeros_goes_with_class_counts(prior):
    logits, target = predictions([60, 40, 30, 20, 20])
    found = diagnose(logits, target, metric="accuracy", prior=prior, class_counts=[600, 400, 300, 200, 200])
    assert all(np.isfinite(outcome.offset).all() for outcome in found.outcomes if outcome.offset is not None)
    adjusted = next(outcome for outcome in found.outcomes if outcome.name == "logit adjustment")
    assert adjusted.curve[0.0].score == found.before.score


@pytest.mark.slow
def test_probabilities_are_diagnosed_as_their_logits_are():
    logits, target = predictions([60, 40, 30, 20, 20])
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    one, other = diagnose(logits, target), diagnose(probability, target, kind="probabilities")
    assert one.summary == other.summary
    np.testing.assert_array_equal(one.fix.predict(logits), other.fix.predict(probability))
    with pytest.raises(ValueError, match="`logits` must be logits, but their rows sum to 1"):
        diagnose(probability, target)
    with pytest.raises(
        ValueError,
        match="`logits` must hold probabilities, which are at least 0 and sum to 1. The smallest number is -",
    ):
        diagnose(logits, target, kind="probabilities")


@pytest.mark.slow
def test_the_scale_of_logits_does_not_matter():
    logits, target = predictions([120, 80, 60, 40, 40])
    one, other = diagnose(logits, target), diagnose(1e4 * logits, target)
    assert other.fix.temperature == pytest.approx(1e4 * one.fix.temperature, rel=0.05)
    assert other.calibration.top_label[1] == pytest.approx(one.calibration.top_label[1], abs=0.02)


@pytest.mark.slow
def test_a_calibration_without_a_gain_is_not_served():
    """Logits whose softmax is right as it is, and few samples to fit a temperature on."""
    served = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(40, 3))
        target = np.array([rng.choice(3, p=np.exp(z) / np.exp(z).sum()) for z in logits])
        found = diagnose(logits, target, metric="accuracy", prior=np.bincount(target) / 40)
        served.append(found.calibration.helps)
        if not found.calibration.helps and found.verdict != "use":
            assert found.fix.temperature == 1
            np.testing.assert_array_equal(found.fix.probability_offset, 0)
    assert sum(served) <= 2


@pytest.mark.slow
def test_the_verdict_says_what_accuracy_pays():
    logits, target = predictions()
    found = diagnose(logits, target)
    assert f"accuracy on these samples {100 * found.before.accuracy:.1f} →" in found.summary


@pytest.mark.slow
def test_counts_and_priors_of_pandas_go_by_name():
    logits, target = predictions()
    names = [f"class {label}" for label in range(5)]
    train = pd.Series(np.repeat(names, [100, 900, 20, 50, 400]))
    found = diagnose(logits, target, class_names=names, class_counts=train.value_counts())
    assert found.by_class.training.tolist() == [100, 900, 20, 50, 400]
    prior = train.value_counts(normalize=True)
    found = diagnose(logits, target, class_names=names, metric="accuracy", prior=prior)
    np.testing.assert_allclose(found.fix.prior, np.array([100, 900, 20, 50, 400]) / 1470)
