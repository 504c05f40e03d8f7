"""What is done to the scores or the classifier of a trained model, without retraining.

Every method on logits has the scikit-learn contract, takes numpy or torch and returns the same:

    >>> import numpy as np
    >>> from longtail.posthoc import PredictionRebalancer
    >>> logits, target = np.array([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, 0.0]]), np.array([0, 0, 1, 1])
    >>> rebalancer = PredictionRebalancer().fit(logits, target)
    >>> rebalancer.predict(logits)
    array([0, 0, 1, 1])

`fold_into(linear)` puts the offset into the bias of the last layer, `save` and `load` keep it in a small JSON file.
"""

from longtail.posthoc.logit_adjustment import PostHocLogitAdjustment
from longtail.posthoc.nearest_class_mean import NearestClassMean
from longtail.posthoc.prediction_sets import PredictionSets
from longtail.posthoc.rebalancing import PredictionRebalancer
from longtail.posthoc.tau_normalization import TauNormalization, tau_normalized

__all__ = [
    "NearestClassMean",
    "PostHocLogitAdjustment",
    "PredictionRebalancer",
    "PredictionSets",
    "TauNormalization",
    "tau_normalized",
]
