import dataclasses

import numpy as np
import pytest

from longtail.metrics import top_label_error
from longtail.repair import calibration_check, diagnose
from longtail.repair.calibration import calibrated, prior_weight, probabilities
from longtail.repair.calibration_check import cross_fitted_calibration
from longtail.repair.folds import Splits, stratified_folds
from longtail.repair.metrics import make_metric
from longtail.repair.samples import Samples

METRIC = make_metric("balanced-accuracy", 3)


def sample(number, seed=0, scale=1.0):
    """Calibrated logits under a balanced prior, times `scale`."""
    rng = np.random.default_rng(seed)
    target = np.arange(number) % 3
    return scale * (rng.normal(size=(number, 3)) + np.eye(3)[target]), target


def checked(logits, target, offset=(0.0, 0.0, 0.0), metric=METRIC, groups=None):
    splits = Splits(stratified_folds(target, 5, 0, groups), 5)
    return cross_fitted_calibration(Samples.of(logits, target), splits, metric, np.tile(offset, (5, 1)), groups)


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_a_temperature_that_is_needed_helps(scale):
    found = checked(*sample(600, scale=scale))
    assert found.helps
    assert found.lowers_top_label
    assert found.log_loss[1] < found.log_loss[0]


@pytest.mark.slow
def test_calibrated_logits_are_left_alone():
    found = [checked(*sample(300, seed)) for seed in range(20)]
    assert sum(own.helps for own in found) <= 3
    assert not any(own.at_limit for own in found)


def test_log_loss_and_error_are_those_of_the_folds():
    logits, target = sample(301, scale=2.0)
    fold = stratified_folds(target, 5, 0)
    weight = prior_weight(target, np.ones(3) / 3)
    fitted = np.empty_like(logits)
    for number in range(5):
        rest = fold != number
        fit = calibrated(Samples.of(logits[rest], target[rest]), np.ones(3) / 3, np.zeros(3))
        fitted[~rest] = probabilities(logits[~rest], fit.temperature, fit.offset)
    found = checked(logits, target)
    for place, p in enumerate((probabilities(logits, 1.0, np.zeros(3)), fitted)):
        loss = -np.log(p[np.arange(301), target])
        assert found.log_loss[place] == pytest.approx(np.average(loss, weights=weight))
        assert found.top_label[place] == pytest.approx(top_label_error(p, target, weight))


def test_the_alternative_is_the_same_decisions_without_a_temperature():
    """The model is far off; once its bias is removed, its logits are calibrated and a temperature has no use."""
    logits, target = sample(900)
    offset = np.array([-3.0, 0.0, 3.0])
    found = checked(logits - offset, target, offset)
    assert found.log_loss[1] < found.log_loss[0] - 0.5
    assert not found.helps
    assert checked(2 * (logits - offset), target, 2 * offset).helps
    assert checked(logits - offset, target, offset, make_metric("macro-f1", 3)).helps  # offsets of their own


def test_a_rise_of_the_top_label_error_is_refused(monkeypatch):
    logits, target = sample(900, scale=2.0)
    assert checked(logits, target).helps
    monkeypatch.setattr(calibration_check._Scores, "gaps", lambda self, _: 1 - self.loss)
    found = checked(logits, target)
    assert found.log_loss_falls
    assert not found.helps


def test_copies_in_groups_do_not_make_it_sure():
    logits, target = sample(60, 3, scale=1.4)
    copies = np.repeat(np.arange(60), 20)
    alone, grouped = checked(logits[copies], target[copies]), checked(logits[copies], target[copies], groups=copies)
    assert alone.helps
    assert not grouped.helps


@pytest.mark.parametrize("kind", ["separated", "unrelated"])
def test_without_an_optimum_probabilities_stay_as_they_are(kind):
    rng = np.random.default_rng(0)
    target = np.arange(90) % 3
    logits = rng.normal(size=(90, 3)).clip(-2, 2) + (9 if kind == "separated" else -9) * np.eye(3)[target]
    found = diagnose(logits, target)
    assert found.calibration.at_limit
    assert not found.calibration.helps
    assert not found.fix.is_calibrated
    assert found.fix.temperature == 1
    np.testing.assert_allclose(found.fix.predict_proba(logits), probabilities(logits, 1.0, found.fix.offset))
    assert any(warning.startswith("No temperature fits best") for warning in found.warnings)


@pytest.mark.slow
def test_a_fix_tells_whether_it_is_calibrated():
    overconfident, target = sample(600, scale=4.0)
    assert diagnose(overconfident, target).fix.is_calibrated
    fix = diagnose(*sample(300)).fix
    assert not fix.is_calibrated
    old = dataclasses.replace(fix, evidence={})
    assert not old.is_calibrated
    assert dataclasses.replace(old, temperature=2.0).is_calibrated
