"""Numbers that show what an imbalance does to a training run; pictures of them are in `longtail.reports`."""

from longtail.analysis.gradient_recorder import GradientRecorder
from longtail.analysis.recorded_gradients import RecordedGradients

__all__ = ["GradientRecorder", "RecordedGradients"]
