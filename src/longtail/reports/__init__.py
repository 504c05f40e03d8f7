"""Pictures and tables of runs: displays have `frame()` for the numbers and `plot()` for the picture.

Displays and pages need the extra `reports`; tables need nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from longtail.reports.comparison import ComparisonTable, comparison_table

if TYPE_CHECKING:
    from longtail.reports.between_groups import BetweenGroupsDisplay
    from longtail.reports.class_values import ByRankDisplay
    from longtail.reports.diagnosis_page import fix_page
    from longtail.reports.gains import GainsDisplay
    from longtail.reports.learning_curves import LearningCurvesDisplay
    from longtail.reports.page import Figure, Page
    from longtail.reports.per_class_recall import PerClassRecallDisplay
    from longtail.reports.reliability import ReliabilityDisplay
    from longtail.reports.report_page import run_page
    from longtail.reports.trade_off import TradeOffDisplay

_DRAWN = {
    "BetweenGroupsDisplay": "between_groups",
    "ByRankDisplay": "class_values",
    "Figure": "page",
    "GainsDisplay": "gains",
    "LearningCurvesDisplay": "learning_curves",
    "Page": "page",
    "PerClassRecallDisplay": "per_class_recall",
    "ReliabilityDisplay": "reliability",
    "TradeOffDisplay": "trade_off",
    "fix_page": "diagnosis_page",
    "run_page": "report_page",
}

__all__ = [
    "BetweenGroupsDisplay",
    "ByRankDisplay",
    "ComparisonTable",
    "Figure",
    "GainsDisplay",
    "LearningCurvesDisplay",
    "Page",
    "PerClassRecallDisplay",
    "ReliabilityDisplay",
    "TradeOffDisplay",
    "comparison_table",
    "fix_page",
    "run_page",
]


def __getattr__(name: str) -> Any:
    if name not in _DRAWN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"longtail.reports.{_DRAWN[name]}"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"longtail.reports.{name} needs {error.name}: install longtail with its extra `reports`"
        ) from error
