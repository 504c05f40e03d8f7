"""Displays: each has `frame()` for the numbers and `plot()` for the picture. Needs `longtail[reports]`."""

from longtail.reports.per_class_recall import PerClassRecallDisplay

__all__ = ["PerClassRecallDisplay"]
