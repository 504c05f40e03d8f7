"""Classes that nobody has and that a model masks: a diagnosis is that of the other classes."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from longtail.metrics import CalibrationErrors, class_wise_error
from longtail.repair import diagnose, estimate_prior, evaluate_fix, read_predictions
from longtail.repair.fix import Fix

MASKS = [-np.inf, -30_000.0, float(np.finfo(np.float32).min), -1.7e308]
KEPT = np.array([0, 2, 4, 5])  # the columns of real classes among six


def sample(seed=0, number=600):
    rng = np.random.default_rng(seed)
    target = rng.choice(4, number, p=[0.55, 0.3, 0.1, 0.05])
    return 2 * (rng.normal(size=(number, 4)) + 1.5 * np.eye(4)[target] + np.array([2.0, 1.0, 0.0, 0.0])), target


def with_masked(logits, value):
    wide = np.full((len(logits), 6), value)
    wide[:, KEPT] = logits
    return wide


@pytest.mark.parametrize("value", MASKS)
@pytest.mark.parametrize("metric", ["balanced-accuracy", "macro-f1", "worst-tenth"])
@pytest.mark.slow
def test_a_diagnosis_is_that_without_them(metric, value):
    logits, target = sample()
    wide = with_masked(logits, value)
    found, expected = diagnose(wide, KEPT[target], metric=metric), diagnose(logits, target, metric=metric)
    assert (found.verdict, found.best, found.before.score) == (expected.verdict, expected.best, expected.before.score)
    for one, other in zip(found.outcomes, expected.outcomes, strict=True):
        assert (one.gain, one.interval, one.strength) == (other.gain, other.interval, other.strength)
    assert found.calibration.top_label == pytest.approx(expected.calibration.top_label, abs=1e-9)
    assert found.calibration.class_wise == pytest.approx(expected.calibration.class_wise, abs=1e-9)
    assert found.calibration.helps == expected.calibration.helps
    assert found.fix.temperature == pytest.approx(expected.fix.temperature, rel=1e-9)
    np.testing.assert_array_equal(found.fix.predict(wide), KEPT[expected.fix.predict(logits)])
    probability = found.fix.predict_proba(wide)
    np.testing.assert_allclose(probability[:, KEPT], expected.fix.predict_proba(logits), atol=1e-9)
    assert probability.sum(1) == pytest.approx(1)


@pytest.mark.parametrize("value", MASKS)
@pytest.mark.slow
def test_an_evaluation_is_that_without_them(value):
    logits, target = sample()
    new, truth = sample(1)
    fix = diagnose(with_masked(logits, value), KEPT[target]).fix
    found = evaluate_fix(fix, with_masked(new, value), KEPT[truth])
    expected = evaluate_fix(diagnose(logits, target).fix, new, truth)
    assert (found.verdict, found.gain, found.interval) == (expected.verdict, expected.gain, expected.interval)
    assert found.calibration_by_class == pytest.approx(expected.calibration_by_class, abs=1e-9)


@pytest.mark.slow
def test_a_prior_of_new_data_is_that_without_them():
    logits, target = sample()
    fix = diagnose(logits, target).fix
    probability = fix.predict_proba(sample(1)[0])
    wide = np.zeros((len(probability), 6))
    wide[:, KEPT] = probability
    found, expected = estimate_prior(wide, np.full(6, 1 / 6)), estimate_prior(probability, fix.prior)
    for one, other in [(found.prior, expected.prior), (found.low, expected.low), (found.high, expected.high)]:
        np.testing.assert_allclose(one[KEPT], other, atol=1e-12)
        assert one[[1, 3]].tolist() == [0, 0]


def test_a_class_without_samples_counts_in_the_error_only_if_it_is_predicted():
    rng = np.random.default_rng(0)
    probability, target = rng.dirichlet(np.ones(2), 100), rng.integers(0, 2, 100)
    never, sometimes = (np.hstack([(1 - share) * probability, np.full((100, 1), share)]) for share in (0.0, 0.3))
    error, _ = class_wise_error(probability, target, np.ones(100))
    never_predicted, pooled = class_wise_error(never, target, np.ones(100))
    assert never_predicted == pytest.approx(error)
    assert pooled == 1
    errors = CalibrationErrors(np.bincount(target, minlength=2))
    errors.add(sometimes[:, :2], target, np.ones(100))
    two = errors.class_wise
    assert class_wise_error(sometimes, target, np.ones(100))[0] == pytest.approx((2 * two + 0.3) / 3)


@pytest.mark.parametrize(("seed", "share"), [(0, 0.05), (1, 0.3), (2, 0.6)])
@pytest.mark.slow
def test_single_entries_may_be_masked(seed, share):
    """The decisions of a masked sample are those among its other classes, however negative the mask is."""
    logits, target = sample(seed, 300)
    mask = np.random.default_rng(seed).random(logits.shape) < share
    mask[np.arange(300), target] = False
    infinite, finite = np.where(mask, -np.inf, logits), np.where(mask, -1e6, logits)
    found, expected = diagnose(infinite, target), diagnose(finite, target)
    assert found.summary == expected.summary
    assert found.fix.temperature == pytest.approx(expected.fix.temperature, rel=1e-6)
    decided, probability = found.fix.predict(infinite), found.fix.predict_proba(infinite)
    assert not mask[np.arange(300), decided].any()
    assert (probability[mask] == 0).all()
    np.testing.assert_array_equal(decided, expected.fix.predict(finite))


@pytest.mark.slow
def test_most_samples_may_have_a_single_class():
    logits, target = sample()
    alone = np.arange(600) % 5 > 0
    single = np.where(np.eye(4)[target] == 1, logits, -np.inf)
    found = diagnose(np.where(alone[:, None], single, logits), target).fix
    assert 0.5 < found.temperature < 5
    assert np.abs(found.offset).max() < 20


@pytest.mark.parametrize("as_given", [np.asarray, torch.from_numpy])
def test_a_fix_keeps_masks(as_given):
    fix = Fix(np.array([0.0, 1.0, 9.0]), 2.0, np.array([0.0, 1.0, 9.0]), np.ones(3) / 3, ("a", "b", "c"), "m", "x")
    logits = as_given(np.array([[1.0, 0.5, -np.inf], [0.0, -np.inf, -np.inf]]))
    assert fix(logits).tolist() == [[1.0, 1.5, -np.inf], [0.0, -np.inf, -np.inf]]
    assert fix.predict(logits).tolist() == [1, 0]
    assert fix.predict(logits[1]) == 0
    assert fix.predict_proba(logits)[1].tolist() == [1, 0, 0]
    by_cost = dataclasses.replace(fix, cost=1 - np.eye(3))
    assert by_cost.predict(logits).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0, np.nan, 0.0], r"must be finite, or -inf for masked classes. Got nan at \[1, 1\]"),
        ([1.0, np.inf, -np.inf], r"must be finite, or -inf for masked classes. Got inf at \[1, 1\]"),
        ([-np.inf] * 3, "must be above -inf for at least one class of each sample. Got -inf everywhere in row 1. Drop"),
    ],
)
def test_what_no_logits_are_is_refused(row, message):
    fix = Fix(np.zeros(3), 1.0, np.zeros(3), np.ones(3) / 3, ("a", "b", "c"), "m", "x")
    logits = np.array([[1.0, -np.inf, 0.0], row])
    for call in (fix, fix.predict, fix.predict_proba, lambda given: diagnose(given, np.array([0, 2]))):
        with pytest.raises(ValueError, match=message):
            call(logits)


def test_the_class_of_a_sample_must_not_be_masked(tmp_path):
    logits, target = sample()
    logits[7, target[7]] = -np.inf
    message = "row 8, column .: -inf for the class of the sample. Only other classes may be masked: drop the sample"
    with pytest.raises(ValueError, match="`logits`, " + message):
        diagnose(logits, target)
    np.savez(tmp_path / "a.npz", logits=logits, target=target)
    with pytest.raises(ValueError, match="a.npz, " + message):
        read_predictions(tmp_path / "a.npz")


def test_probabilities_of_minus_infinity_are_refused():
    probability = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, -np.inf]])
    with pytest.raises(ValueError, match="row 2, column 2: -inf must be finite. A logarithm of 0"):
        read_predictions((probability, np.array([0, 1])), kind="probabilities")


@pytest.mark.parametrize("suffix", ["npz", "npy", "csv", "parquet"])
@pytest.mark.slow
def test_files_may_hold_masks(tmp_path, suffix):
    logits, target = sample()
    wide, names = with_masked(logits, -np.inf), list("abcdef")
    path, options = tmp_path / f"predictions.{suffix}", {"class_names": names}
    if suffix == "npz":
        np.savez(path, logits=wide, target=KEPT[target])
    elif suffix == "npy":
        np.save(path, wide)
        options["labels"] = KEPT[target]
    else:
        table = pd.DataFrame(wide, columns=names).assign(label=[names[label] for label in KEPT[target]])
        getattr(table, f"to_{suffix}")(path, index=False)
    found = read_predictions(path, **options)
    np.testing.assert_array_equal(found.logits, wide)
    assert diagnose(found.logits, found.target).verdict == diagnose(logits, target).verdict


@pytest.mark.parametrize(
    ("row", "message"),
    [("inf,0", "row 2, column a: inf must be finite"), ("-inf,-inf", "row 2: all logits are -inf. Drop the sample")],
)
def test_a_table_with_other_infinite_cells_is_refused(tmp_path, row, message):
    (tmp_path / "a.csv").write_text(f"label,a,b\na,1,-inf\nb,{row}\nb,0,1\n")
    with pytest.raises(ValueError, match=f"a.csv, {message}"):
        read_predictions(tmp_path / "a.csv")


def test_rows_of_one_class_that_is_not_masked_have_a_diagnosis():
    """Two classes, of which each row allows its own: there is nothing to decide, and no temperature to fit."""
    wide = np.tile([[1.0, -np.inf], [-np.inf, 2.0]], (10, 1))
    found = diagnose(wide, np.arange(20) % 2)
    assert found.verdict == "keep"
    np.testing.assert_array_equal(found.fix.predict_proba(wide[:2]), np.eye(2))
