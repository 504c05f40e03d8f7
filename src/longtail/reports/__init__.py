"""Displays: each has `frame()` for the numbers and `plot()` for the picture. Needs the extra `reports`."""

try:
    from longtail.reports.per_class_recall import PerClassRecallDisplay
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"longtail.reports needs {error.name}: install longtail with its extra `reports`"
    ) from error

__all__ = ["PerClassRecallDisplay"]
