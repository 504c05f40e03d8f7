import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from longtail.auto import evaluate_on, extract_features, fit, train_and_fix
from longtail.export import fix_code
from longtail.losses import BalancedSoftmaxLoss, GALALoss
from longtail.metrics import LongTailMetric, LongTailScalars
from longtail.recipes import second_stage
from longtail.repair import Fix
from longtail.repair.diagnose_predictions import diagnose_predictions
from longtail.samplers import LongTailedSampler, PowerSampler, ProgressiveSampler
from longtail.signatures import naming_misspelt

LABELS = np.array([0, 0, 1])


class Weighted(LongTailedSampler):
    """A sampler of one's own."""

    def __init__(self, labels, weights, **arguments):
        super().__init__(labels, **arguments)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "PowerSampler": PowerSampler,
    "ProgressiveSampler": ProgressiveSampler,
    "LongTailedSampler": LongTailedSampler,
    "Weighted": Weighted,
    "LongTailMetric": LongTailMetric,
    "LongTailScalars": LongTailScalars,
    "Fix.from_predictions": Fix.from_predictions,
    "diagnose_predictions": diagnose_predictions,
    "fix_code": fix_code,
    "second_stage": second_stage,
    "GALALoss": GALALoss,
    "BalancedSoftmaxLoss": BalancedSoftmaxLoss,
    "fit": fit,
    "train_and_fix": train_and_fix,
    "extract_features": extract_features,
    "evaluate_on": evaluate_on,
}


@pytest.mark.parametrize(
    ("name", "others", "given", "meant"),
    [
        ("PowerSampler", {"labels": LABELS}, "powr", "power"),
        ("PowerSampler", {"power": 2}, "labls", "labels"),
        ("ProgressiveSampler", {"labels": LABELS}, "epoch", "epochs"),
        ("LongTailedSampler", {}, "label", "labels"),
        ("Weighted", {"labels": LABELS}, "weight", "weights"),
        ("LongTailMetric", {}, "num_clases", "num_classes"),
        ("LongTailMetric", {"num_classes": 2}, "clas_counts", "class_counts"),
        ("LongTailScalars", {"num_classes": 2}, "sync_on_compte", "sync_on_compute"),
        ("Fix.from_predictions", {}, "sorce", "source"),
        ("Fix.from_predictions", {"source": "scores.npz"}, "metrik", "metric"),
        ("diagnose_predictions", {}, "prediction", "predictions"),
        ("fix_code", {"fix": None}, "too", "to"),
        ("second_stage", {"first": None}, "nam", "name"),
        ("GALALoss", {}, "num_clases", "num_classes"),
        ("BalancedSoftmaxLoss", {}, "clas_counts", "class_counts"),
        ("fit", {}, "dta", "data"),
        ("train_and_fix", {"config": None, "out": "runs"}, "dta", "data"),
        ("extract_features", {"data": "photos"}, "modle", "model"),
        ("evaluate_on", {"predictor": None}, "dta", "data"),
    ],
)
def test_a_misspelt_keyword_is_named_with_the_one_that_is_meant(name, others, given, meant):
    said = f"`{name}` got an unexpected keyword argument '{given}'. Did you mean '{meant}'"
    with pytest.raises(TypeError, match=re.escape(said)):
        FUNCTIONS[name](**others, **{given: 2})


@pytest.mark.parametrize(
    ("name", "others", "missing"),
    [
        ("PowerSampler", {"labels": LABELS, "seed": 2}, "power"),
        ("Fix.from_predictions", {"metric": "accuracy"}, "source"),
    ],
)
def test_one_that_is_missing_and_not_misspelt_is_called_missing(name, others, missing):
    with pytest.raises(TypeError, match=f"missing 1 required positional argument: '{missing}'"):
        FUNCTIONS[name](**others)


def test_keywords_that_are_passed_on_stay_so_however_they_are_spelt():
    def scaled(factor, factors=(), **more):
        return factor, factors, more

    taking: Callable[..., Any] = naming_misspelt(scaled)
    assert taking(2, factr=3) == (2, (), {"factr": 3})
    assert taking(factor=2, factr=3) == (2, (), {"factr": 3})
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'factor'"):
        taking(factors=3)


def test_signatures_stay_as_they_are_written():
    assert list(inspect.signature(Weighted).parameters) == [
        "labels",
        "weights",
        "num_samples",
        "seed",
        "rank",
        "num_replicas",
    ]
    assert list(inspect.signature(Fix.from_predictions).parameters) == ["source", "options"]
