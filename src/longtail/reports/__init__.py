"""Pictures and tables of runs: displays have `frame()` for the numbers and `plot()` for the picture.

Displays need the extra `reports`; tables need nothing.
"""

from typing import TYPE_CHECKING, Any

from longtail.reports.comparison import ComparisonTable, comparison_table

if TYPE_CHECKING:
    from longtail.reports.per_class_recall import PerClassRecallDisplay

__all__ = ["ComparisonTable", "PerClassRecallDisplay", "comparison_table"]


def __getattr__(name: str) -> Any:
    if name != "PerClassRecallDisplay":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from longtail.reports.per_class_recall import PerClassRecallDisplay
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"longtail.reports.{name} needs {error.name}: install longtail with its extra `reports`"
        ) from error
    return PerClassRecallDisplay
