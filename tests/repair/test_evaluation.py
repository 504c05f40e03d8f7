"""A fix on new data: the numbers are those of the metrics, and the words claim what the interval does."""

import dataclasses

import numpy as np
import pytest
import torch

from longtail.metrics import balanced_accuracy, macro_f1
from longtail.metrics.groups import GroupBounds
from longtail.repair import Fix, diagnose, evaluate_fix
from longtail.repair.calibration import prior_weight
from longtail.repair.intervals import estimate_of_gain
from longtail.repair.labels import Labels
from longtail.repair.metrics import BalancedAccuracy, ExpectedCost, WorstRecall

NAMES = ("cat", "dog", "lynx")
SHARES = np.array([0.6, 0.3, 0.1])


def long_tailed(number=900, seed=0, bias=(2.0, 1.0, 0.0)):
    rng = np.random.default_rng(seed)
    target = rng.choice(3, number, p=SHARES)
    return rng.normal(size=(number, 3)) + 2 * np.eye(3)[target] + np.array(bias), target


@pytest.fixture(scope="module")
def fix():
    found = diagnose(*long_tailed(), class_names=NAMES)
    assert found.verdict == "use"
    return found.fix


@pytest.mark.slow
def test_the_numbers_are_those_of_the_metric_and_its_interval(fix):
    logits, target = long_tailed(seed=1)
    found = evaluate_fix(fix, logits, target)
    decided = logits.argmax(1), fix.predict(logits)
    scores = [float(balanced_accuracy(own, target, 3)) for own in decided]
    assert found.before.score == pytest.approx(scores[0])
    assert found.after.score == pytest.approx(scores[1])
    assert found.gain == pytest.approx(scores[1] - scores[0])
    assert found.interval == estimate_of_gain(BalancedAccuracy(), Labels.of(target, 3), decided[0], decided[1:])[1:]
    assert found.after.accuracy == pytest.approx((decided[1] == target).mean())
    assert found.groups == {"cat": 1, "dog": 1, "lynx": 1}
    assert found.after.groups["lynx"] == pytest.approx((decided[1] == 2)[target == 2].mean())
    np.testing.assert_array_equal(found.by_class.predicted[1], np.bincount(decided[1]))
    assert (found.samples, found.level, found.class_names) == (900, 0.95, NAMES)


@pytest.mark.slow
def test_calibration_is_measured_under_the_prior_of_the_fix(fix):
    from longtail.metrics.calibration import class_wise_error, top_label_error

    logits, target = long_tailed(seed=1)
    found, weight = evaluate_fix(fix, logits, target), prior_weight(target, fix.prior)
    plain = torch.tensor(logits).softmax(1).numpy()
    for number, probability in enumerate((plain, fix.predict_proba(logits))):
        assert found.calibration_top_label[number] == pytest.approx(top_label_error(probability, target, weight))
        assert found.calibration_by_class[number] == pytest.approx(class_wise_error(probability, target, weight)[0])


def test_a_fix_that_still_helps(fix):
    found = evaluate_fix(fix, *long_tailed(seed=1))
    assert found.verdict == "helps"
    assert found.promised == tuple(fix.evidence["gain_interval"])
    assert found.summary.startswith("The fix still helps: balanced accuracy")
    assert "the gain here lies within it" in found.summary
    assert not found.warnings


def test_a_fix_that_hurts_a_model_that_has_changed(fix):
    found = evaluate_fix(fix, *long_tailed(seed=1, bias=(0.0, 0.0, 2.0)))
    assert found.verdict == "hurts"
    assert found.interval[1] < 0
    assert "The fix now hurts" in found.summary
    assert "lies below it, and the two intervals do not overlap" in found.summary


def test_no_gain_where_the_interval_includes_0(fix):
    found = evaluate_fix(fix, *long_tailed(300, seed=3, bias=(0.75, 0.375, 0.0)))
    assert found.interval[0] <= 0 <= found.interval[1]
    assert found.verdict == "no gain seen"
    assert "these samples do not tell whether the fix helps" in found.summary


def test_a_fix_that_changes_nothing(fix):
    same = dataclasses.replace(fix, offset=np.zeros(3), evidence={})
    found = evaluate_fix(same, *long_tailed(seed=1))
    assert (found.gain, found.interval, found.promised) == (0.0, (0.0, 0.0), None)
    assert found.summary == "The fix changes no decision on these samples."


def test_columns_are_matched_by_name(fix):
    logits, target = long_tailed(seed=1)
    order = [2, 0, 1]
    permuted = evaluate_fix(
        fix, logits[:, order], np.argsort(order)[target], class_names=[NAMES[index] for index in order]
    )
    plain = evaluate_fix(fix, logits, target)
    assert permuted.after.score == pytest.approx(plain.after.score)
    assert permuted.after.groups == pytest.approx(plain.after.groups)
    assert permuted.calibration_top_label == pytest.approx(plain.calibration_top_label)
    with pytest.raises(ValueError, match="Only the fix has 'lynx', only the predictions 'wolf'"):
        evaluate_fix(fix, logits, target, class_names=["cat", "dog", "wolf"])
    with pytest.raises(ValueError, match="must have the fix's 3 classes. Got 2"):
        evaluate_fix(fix, logits[:, :2], target % 2)


def test_weights_count_as_copies_do(fix):
    logits, target = long_tailed(seed=1)
    weight = np.random.default_rng(0).integers(1, 4, len(target))
    weighted = evaluate_fix(fix, logits, target, sample_weight=weight)
    copied = evaluate_fix(fix, np.repeat(logits, weight, 0), np.repeat(target, weight))
    assert weighted.before.score == pytest.approx(copied.before.score)
    assert weighted.after.score == pytest.approx(copied.after.score)
    assert weighted.after.accuracy == pytest.approx(copied.after.accuracy)
    assert weighted.calibration_top_label == pytest.approx(copied.calibration_top_label)


def test_groups_widen_the_interval(fix):
    logits, target = (np.repeat(values, 5, 0) for values in long_tailed(180, seed=1))
    alone = evaluate_fix(fix, logits, target).interval
    grouped = evaluate_fix(fix, logits, target, groups=np.repeat(np.arange(180), 5)).interval
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])


def test_many_classes_are_shown_in_groups():
    rng = np.random.default_rng(0)
    target, even = rng.integers(0, 20, 800), np.full(20, 1 / 20)
    names = tuple(map(str, range(20)))
    fix = Fix(rng.normal(size=20), 1.0, np.zeros(20), even, names, "macro-F1", "by hand")
    logits = rng.normal(size=(800, 20)) + 2 * np.eye(20)[target]
    found = evaluate_fix(fix, logits, target)
    assert found.groups == {"head third": 7, "middle third": 7, "tail third": 6}
    assert found.before.score == pytest.approx(float(macro_f1(logits.argmax(1), target, 20)))
    counts, bounds = np.repeat([200, 50, 5], [4, 6, 10]), GroupBounds(many_above=49, few_below=5)
    assert evaluate_fix(fix, logits, target, class_counts=counts).groups == {"many": 4, "medium": 6, "few": 10}
    found = evaluate_fix(fix, logits, target, class_counts=counts, bounds=bounds)
    assert found.groups == {"many": 10, "medium": 10, "few": 0}


def test_the_samples_of_the_fit_are_recognised(fix):
    logits, target = long_tailed()
    order = np.random.default_rng(0).permutation(len(target))
    for rows in (slice(None), order):
        assert (
            "probably the samples that the fix was fitted on"
            in evaluate_fix(fix, logits[rows], target[rows]).warnings[0]
        )


@pytest.mark.parametrize("metric", ["accuracy", "cost", "worst-tenth"])
@pytest.mark.slow
def test_the_metric_of_the_fix_is_computed_again(tmp_path, metric):
    cost = np.array([[0.0, 1, 1], [5, 0, 1], [9, 1, 0]])
    changes = {
        "accuracy": {"prior": [0.2, 0.3, 0.5]},
        "cost": {"prior": [0.2, 0.3, 0.5], "cost": cost},
        "worst-tenth": {},
    }[metric]
    found = diagnose(*long_tailed(), metric=metric, **changes)
    logits, target = long_tailed(seed=1)
    again = evaluate_fix(Fix.load(found.fix.save(tmp_path / "fix.json")), logits, target)
    decided = found.fix.predict(logits)
    per_class = {
        "accuracy": [(decided == c)[target == c].mean() for c in range(3)],
        "cost": [-cost[c, decided[target == c]].mean() for c in range(3)],
        "worst-tenth": [(decided == c)[target == c].mean() for c in range(3)],
    }[metric]
    wanted = min(per_class) if metric == "worst-tenth" else np.dot(per_class, [0.2, 0.3, 0.5])
    assert again.metric == found.metric
    assert again.after.score == pytest.approx(float(wanted))


def test_a_gain_that_is_not_the_difference_of_the_scores_is_called_estimated(fix):
    logits, target = long_tailed(seed=1)
    few = np.r_[:30, np.flatnonzero(target == 2)[:2]]
    found = evaluate_fix(dataclasses.replace(fix, metric=WorstRecall.name), logits[few], target[few])
    assert found.gain != pytest.approx(found.after.score - found.before.score, abs=1e-3)
    assert (
        f" on these samples; estimated gain on new samples {100 * found.gain:+.1f} points (95 % interval"
        in found.summary
    )
    assert "estimated" not in evaluate_fix(fix, logits, target).summary


def test_costs_that_an_older_version_did_not_keep(fix):
    old = dataclasses.replace(fix, metric="minus the expected cost")
    with pytest.raises(ValueError, match="must hold the costs of its metric.*`dataclasses.replace.fix, metric_cost"):
        evaluate_fix(old, *long_tailed())
    with pytest.raises(ValueError, match="`metric` must be one of 'balanced accuracy'"):
        evaluate_fix(dataclasses.replace(fix, metric="beauty"), *long_tailed())


@pytest.mark.slow
def test_probabilities(fix):
    logits, target = long_tailed()
    probability = torch.tensor(logits).softmax(1).numpy()
    probability[:5] = [1, 0, 0]
    of_probabilities = diagnose(probability, target, kind="probabilities", class_names=NAMES).fix
    new, new_target = long_tailed(seed=1)
    new = torch.tensor(new).softmax(1)
    found = evaluate_fix(of_probabilities, new, torch.tensor(new_target))
    assert found.after.score == pytest.approx(float(balanced_accuracy(of_probabilities.predict(new), new_target, 3)))
    with pytest.raises(ValueError, match="must hold probabilities"):
        evaluate_fix(of_probabilities, logits, target)
    with pytest.raises(ValueError, match="must be logits, but their rows sum to 1"):
        evaluate_fix(fix, probability, target)


def test_a_saving_of_costs_is_in_the_unit_of_the_costs():
    logits, target = long_tailed(seed=1)
    cost = np.array([[0.0, 1, 1], [5, 0, 1], [20, 5, 0]])
    evidence = {"gain_interval": [2.5, 3.25]}
    fix = Fix(
        np.array([-1.0, 0.0, 1.0]), 1.0, np.zeros(3), SHARES, NAMES, ExpectedCost.name, "by hand", evidence,
        metric_cost=cost,
    )  # fmt: skip
    found = evaluate_fix(fix, logits, target)
    saved = f"{-found.before.score:.3g} → {-found.after.score:.3g}, a saving of {found.gain:.3g} (95 % interval"
    assert found.summary.startswith(f"The fix still helps: expected cost per decision {saved}")
    assert "the interval of its gain was 2.5 to 3.25: the gain here lies below it" in found.summary
    assert "points" not in found.summary
