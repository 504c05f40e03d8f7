"""Numbers that show what an imbalance does to a training run; pictures of them are in `longtail.reports`."""

from longtail.analysis.classifier_geometry import ClassGeometry, class_geometry, classifier_weight_norms
from longtail.analysis.confusions import confusion_flow, worst_confusions
from longtail.analysis.gradient_recorder import GradientRecorder
from longtail.analysis.predictions import accuracy_trade_off, calibration_by_group, class_groups, trade_off
from longtail.analysis.recorded_gradients import RecordedGradients

__all__ = [
    "ClassGeometry",
    "GradientRecorder",
    "RecordedGradients",
    "accuracy_trade_off",
    "calibration_by_group",
    "class_geometry",
    "class_groups",
    "classifier_weight_norms",
    "confusion_flow",
    "trade_off",
    "worst_confusions",
]
