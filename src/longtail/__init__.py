"""longtail: classifiers that treat rare classes fairly.

    from longtail import GALALoss               # takes the place of nn.CrossEntropyLoss; no class counts needed
    from longtail import PredictionRebalancer   # re-balances the predictions of a model that is already trained
    from longtail import diagnose               # says whether that helps, and by how much

All public names of `losses`, `posthoc`, `metrics`, `samplers`, `repair`, `estimators` and `auto` can be imported from
here. They and the packages are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longtail.auto import *  # noqa: F403, types of all names
    from longtail.estimators import *  # noqa: F403
    from longtail.losses import *  # noqa: F403
    from longtail.metrics import *  # noqa: F403
    from longtail.posthoc import *  # noqa: F403
    from longtail.repair import *  # noqa: F403
    from longtail.samplers import *  # noqa: F403

__version__ = "0.1.0"

_NAMES = {
    "losses": (
        "BalancedSoftmaxLoss",
        "ClassBalancedLoss",
        "DeferredReweighting",
        "EQLLoss",
        "EQLv2Loss",
        "FocalLoss",
        "GALALoss",
        "GCLLoss",
        "LADELoss",
        "LDAMLoss",
        "LabelAwareSmoothingLoss",
        "LogitAdjustmentLoss",
        "SeesawLoss",
        "VSLoss",
        "balanced_contrastive_loss",
        "ProbabilisticContrastiveLoss",
        "expected_similarities",
        "balanced_softmax_logits",
        "balanced_softmax_loss",
        "class_balanced_loss",
        "class_balanced_weights",
        "eql_loss",
        "eql_v2_loss",
        "focal_loss",
        "gala_logits",
        "gala_loss",
        "gcl_logits",
        "gcl_loss",
        "label_aware_smoothing_loss",
        "lade_loss",
        "ldam_logits",
        "ldam_loss",
        "logit_adjustment_logits",
        "logit_adjustment_loss",
        "seesaw_logits",
        "seesaw_loss",
        "vs_logits",
        "vs_loss",
    ),
    "posthoc": (
        "NearestClassMean",
        "PostHocLogitAdjustment",
        "PredictionRebalancer",
        "PredictionSets",
        "TauNormalization",
        "tau_normalized",
    ),
    "metrics": (
        "CalibrationErrors",
        "LongTailMetric",
        "LongTailScalars",
        "LongTailScores",
        "SetScores",
        "balanced_accuracy",
        "class_wise_error",
        "long_tail_scores",
        "macro_f1",
        "per_class_recall",
        "predictions_per_class",
        "set_scores",
        "top1_accuracy",
        "top_label_error",
    ),
    "samplers": (
        "ClassAwareSampler",
        "ClassBalancedSampler",
        "EffectiveNumberSampler",
        "LongTailedSampler",
        "PowerSampler",
        "ProgressiveSampler",
        "SAMPLERS",
        "SquareRootSampler",
        "make_sampler",
    ),
    "repair": (
        "Diagnosis",
        "Fix",
        "FixEvaluation",
        "METRICS",
        "Predictions",
        "PriorEstimate",
        "diagnose",
        "estimate_prior",
        "estimate_prior_of_parts",
        "evaluate_fix",
        "fit_calibration",
        "make_metric",
        "read_predictions",
    ),
    "estimators": ("RebalancedClassifier",),
    "auto": (
        "Predictor",
        "evaluate_on",
        "extract_features",
        "fit",
        "load",
        "train_and_fix",
    ),
}
_PACKAGE_OF = {name: package for package, names in _NAMES.items() for name in names}
_PACKAGES = (
    *_NAMES,
    "analysis",
    "cli",
    "data",
    "doctor",
    "export",
    "integrations",
    "models",
    "recipes",
    "reports",
    "runs",
    "training",
    "transforms",
)

__all__ = [*_PACKAGE_OF]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"longtail.{name}")
    if name not in _PACKAGE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"longtail.{_PACKAGE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES, "__version__"])
