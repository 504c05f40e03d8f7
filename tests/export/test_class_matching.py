"""A fix in the order of a model's classes is the same fix."""

import numpy as np

from export.cases import fix_of
from longtail.export import match_classes


def test_costs_of_decision_and_metric_follow_the_classes():
    cost = np.arange(9.0).reshape(3, 3)
    fix = fix_of(3, "cost", names=("cat", "dog", "lynx"), cost=cost, metric_cost=cost)
    matched, _ = match_classes(fix, 3, ["lynx", "cat", "dog"], "net.onnx")
    order = [2, 0, 1]
    np.testing.assert_array_equal(matched.cost, cost[np.ix_(order, order)])
    np.testing.assert_array_equal(matched.metric_cost, cost[np.ix_(order, order)])
    scores = 3 * np.random.default_rng(0).normal(size=(50, 3))
    assert matched.predict(scores[:, order], names=True).tolist() == fix.predict(scores, names=True).tolist()
