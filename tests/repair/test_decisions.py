"""Decision rules: all values of τ at once are those of each one."""

import numpy as np
import pytest

from longtail.repair.candidates import STRENGTHS
from longtail.repair.decisions import LeastCost, Offsets


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strengths", [STRENGTHS, (0.0, 0.5, 1.0), (0.0, 1.0), (0.0,)])
def test_decisions_for_all_strengths_are_those_for_each(dtype, strengths):
    rng = np.random.default_rng(0)
    logits, rule = rng.normal(size=(500, 40)).astype(dtype), Offsets(2 * rng.normal(size=40))
    decided = rule.decide_for_all(logits, strengths)
    assert decided.shape == (len(strengths), 500)
    for got, strength in zip(decided, strengths, strict=True):
        np.testing.assert_array_equal(got, (logits + (strength * rule.direction).astype(dtype)).argmax(1))
    assert len(strengths) == 1 or (decided[0] != decided[-1]).mean() > 0.5


def test_decisions_by_cost_for_all_strengths():
    rng = np.random.default_rng(0)
    logits, rule = rng.normal(size=(50, 4)), LeastCost(1.5, rng.normal(size=4), rng.random((4, 4)))
    for got, strength in zip(rule.decide_for_all(logits, (0.0, 1.0)), (0.0, 1.0), strict=True):
        np.testing.assert_array_equal(got, rule.decide(logits, strength))
