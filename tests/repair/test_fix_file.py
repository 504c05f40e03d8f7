"""What is written is read, whatever its scale; what older versions wrote is read too."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail.repair import Fix, diagnose

VERSION_1 = """{
 "format": "longtail.fix", "version": 1, "goal": "balanced accuracy", "method": "re-balancing, strength 1",
 "takes": "logits", "temperature": 2.0, "evidence": {"verdict": "use", "samples": 900, "gain_interval": [0.1, 0.2]},
 "classes": ["cat", "dog", "lynx"], "offset": [-1.0, 0.25, 0.75], "probability_offset": [-0.5, 0.125, 0.375],
 "prior": [0.3333333333333333, 0.3333333333333333, 0.3333333333333333]
}"""
COSTS = [[0, 1, 1], [5, 0, 1], [9, 1, 0]]


def long_tailed(number=150):
    rng = np.random.default_rng(0)
    target = rng.choice(3, number, p=[0.6, 0.3, 0.1])
    return rng.normal(size=(number, 3)) + 2 * np.eye(3)[target] + np.array([2.0, 1.0, 0.0]), target


def test_a_file_of_version_1_is_read(tmp_path):
    (tmp_path / "fix.json").write_text(VERSION_1)
    fix = Fix.load(tmp_path / "fix.json", class_names=("cat", "dog", "lynx"))
    assert (fix.metric, fix.temperature, fix.metric_cost) == ("balanced accuracy", 2.0, None)
    assert fix.predict(np.array([[0.5, 0.0, 0.0]]), names=True) == ["lynx"]
    again = Fix.load(fix.save(tmp_path / "new.json"))
    assert json.loads((tmp_path / "new.json").read_text())["version"] == 2
    assert (again.metric, again.evidence) == (fix.metric, fix.evidence)


def test_costs_by_which_it_decides_are_those_of_the_metric(tmp_path):
    content = json.loads(VERSION_1) | {"goal": "minus the expected cost", "cost": COSTS}
    (tmp_path / "fix.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(Fix.load(tmp_path / "fix.json").metric_cost, COSTS)


@pytest.mark.parametrize("changes", [{}, {"metric": "cost", "cost": np.array(COSTS, float), "prior": [0.5, 0.3, 0.2]}])
@pytest.mark.slow
def test_the_metric_comes_back(tmp_path, changes):
    fix = diagnose(*long_tailed(), **changes).fix
    loaded = Fix.load(fix.save(tmp_path / "fix.json"))
    for name in (field.name for field in dataclasses.fields(fix)):
        np.testing.assert_equal(getattr(loaded, name), getattr(fix, name))
    assert (loaded.metric_cost is None) == (not changes)


@settings(max_examples=10, deadline=None)
@given(
    exponent=st.floats(-30, 30),
    dtype=st.sampled_from([np.float32, np.float64]),
    metric=st.sampled_from(["balanced-accuracy", "macro-f1", "cost"]),
)
@pytest.mark.slow
def test_a_fix_of_any_scale_is_read_and_serves(tmp_path_factory, exponent, dtype, metric):
    logits, target = long_tailed()
    logits = (logits * 10.0**exponent).astype(dtype)
    cost = np.array(COSTS, float) if metric == "cost" else None
    fix = diagnose(logits, target, metric=metric, cost=cost, folds=3).fix
    loaded = Fix.load(fix.save(tmp_path_factory.mktemp("fix") / "fix.json"))
    np.testing.assert_array_equal(loaded.predict(logits), fix.predict(logits))
    probability = loaded.predict_proba(logits)
    np.testing.assert_array_equal(probability, fix.predict_proba(logits))
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("exponent", [20, 60, 99])
@pytest.mark.slow
def test_the_temperature_follows_the_scale(tmp_path, exponent):
    """Macro-F1's probabilities do not depend on the decision: they are the same at each scale."""
    logits, target = long_tailed()
    near, far = (diagnose(scale * logits, target, metric="macro-f1", folds=3).fix for scale in (10.0, 10.0**exponent))
    loaded = Fix.load(far.save(tmp_path / "fix.json"))
    assert near.temperature != 1
    np.testing.assert_allclose(loaded.temperature, near.temperature * 10.0 ** (exponent - 1), rtol=1e-3)
    np.testing.assert_allclose(
        loaded.predict_proba(10.0**exponent * logits), near.predict_proba(10 * logits), atol=1e-4
    )


@pytest.mark.parametrize("value", [0.0, 0.1, -5.0])
def test_rows_that_are_constant(tmp_path, value):
    _, target = long_tailed()
    fix = diagnose(np.full((len(target), 3), value), target).fix
    loaded = Fix.load(fix.save(tmp_path / "fix.json"))
    assert np.isfinite(loaded.predict_proba(np.full((5, 3), value))).all()


def test_what_cannot_be_represented_is_refused_before_any_work():
    logits, target = long_tailed()
    steps = []
    with pytest.raises(ValueError, match="must be at most 1e.100. Got .*e.150. Divide them by a constant"):
        diagnose(1e150 * logits, target, progress=lambda *step: steps.append(step))
    with pytest.raises(ValueError, match="must differ by 1e-100 or more within a row.* Multiply them by a constant"):
        diagnose(1e-150 * logits, target, progress=lambda *step: steps.append(step))
    assert not steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": np.array([np.nan, 0, 0])}, "one finite number per class as offset"),
        ({"temperature": 0.0}, "a temperature between"),
        ({"temperature": float("inf")}, "a temperature between"),
        ({"prior": np.array([1.0, 0.0, 0.0])}, "that sums to 1. Its lowest value is 0, its sum 1."),
        ({"class_names": ("cat", "cat", "dog")}, "differ from each other. It holds 'cat' 2 times"),
        ({"takes": "scores"}, "logits or probabilities"),
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path, changes, message):
    (tmp_path / "old.json").write_text(VERSION_1)
    fix = dataclasses.replace(Fix.load(tmp_path / "old.json"), **changes)
    with pytest.raises(ValueError, match=message):
        fix.save(tmp_path / "fix.json")
    assert not (tmp_path / "fix.json").exists()


def test_a_floor_of_0_is_refused_for_it_has_no_logarithm(tmp_path):
    content = {**json.loads(VERSION_1), "takes": "probabilities", "floor": 0.0}
    (tmp_path / "fix.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="must hold a floor between 1e-30 and 1. Got 0.0"):
        Fix.load(tmp_path / "fix.json")
    (tmp_path / "fix.json").write_text(json.dumps(content | {"floor": 1e-30}))
    probability = np.array([0.0, 0.0, 1.0])
    assert np.isfinite(Fix.load(tmp_path / "fix.json")(probability)).all()
