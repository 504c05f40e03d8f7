"""Those checks of scikit-learn that do not take the columns of logits for features.

`check_estimator` as a whole fits to a few features whatever the labels; here there is a column for each class, and a
class of the target prior needs a sample.
"""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

from longtail.posthoc import (
    NearestClassMean,
    PostHocLogitAdjustment,
    PredictionRebalancer,
    PredictionSets,
    TauNormalization,
)

METHODS = [
    PredictionRebalancer(),
    PredictionRebalancer(tau=0.5),
    PostHocLogitAdjustment([3, 2]),
    NearestClassMean(),
    TauNormalization(),
    PredictionSets(),
]
CHECKS = [
    checks.check_estimator_cloneable,
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_estimator_repr,
    checks.check_estimator_tags_renamed,
    checks.check_get_params_invariance,
    checks.check_mixin_order,
    checks.check_no_attributes_set_in_init,
    checks.check_parameters_default_constructible,
    checks.check_set_params,
    checks.check_valid_tag_types,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_it_holds(method, check):
    check(type(method).__name__, method)


def test_a_pipeline_ends_in_one():
    logits, target = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]]), np.array([1, 0, 0])
    pipeline = make_pipeline("passthrough", PredictionRebalancer()).fit(logits, target)
    assert pipeline.predict(logits).tolist() == PredictionRebalancer().fit(logits, target).predict(logits).tolist()
