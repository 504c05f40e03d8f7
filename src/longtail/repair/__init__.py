"""Correcting a trained model from its saved predictions: candidates, cross-fitted scores, a verdict, the fix.

>>> import numpy as np
>>> from longtail.repair import diagnose
>>> rng = np.random.default_rng(0)
>>> target = rng.integers(0, 3, 900)
>>> logits = rng.normal(size=(900, 3)) + 2 * np.eye(3)[target]
>>> diagnose(logits, target).verdict
'keep'
"""

from longtail.repair.calibration import fit_calibration
from longtail.repair.diagnosis import diagnose
from longtail.repair.evaluation import FixEvaluation, evaluate_fix
from longtail.repair.findings import Diagnosis
from longtail.repair.fix import Fix
from longtail.repair.metrics import METRICS, make_metric
from longtail.repair.predictions import Predictions, read_predictions
from longtail.repair.prior_shift import PriorEstimate, estimate_prior, estimate_prior_of_parts

__all__ = [
    "METRICS",
    "Diagnosis",
    "Fix",
    "FixEvaluation",
    "Predictions",
    "PriorEstimate",
    "diagnose",
    "estimate_prior",
    "estimate_prior_of_parts",
    "evaluate_fix",
    "fit_calibration",
    "make_metric",
    "read_predictions",
]
