"""The JSON file of a fix.

Version 2 has the costs of the metric, so that a fix can be evaluated on new data. Version 1 has none, and may call the
metric `goal`; both versions are read.
"""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.plain_json import to_json
from longtail.posthoc.saved import number_within, numbers
from longtail.repair.calibration import SMALLEST

if TYPE_CHECKING:
    from longtail.repair.fix import Fix

FORMAT = "longtail.fix"
VERSION, OLDEST = 2, 1
COLDEST, HOTTEST = 1e-150, 1e150  # temperature
TAKES = ("logits", "probabilities")


def text_of(fix: "Fix", path: Path) -> str:
    """The text of the file; its values are checked as they are when it is read.

    Raises:
        ValueError: as `values_of`; names `path`.
    """
    text = to_json(_content_of(fix), indent=1) + "\n"
    values_of(json.loads(text), path)
    return text


def _content_of(fix: "Fix") -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "metric": fix.metric,
        "method": fix.method,
        "takes": fix.takes,
        **({"floor": fix.floor} if fix.takes == "probabilities" else {}),
        "temperature": fix.temperature,
        "evidence": dict(fix.evidence),
        "classes": list(fix.class_names),
        "offset": fix.offset,
        "probability_offset": fix.probability_offset,
        "prior": fix.prior,
        **({} if fix.cost is None else {"cost": fix.cost}),
        **({} if fix.metric_cost is None else {"metric_cost": fix.metric_cost}),
    }


def values_of(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The fields of a fix, checked.

    Raises:
        ValueError: a value is missing, not finite or out of range.
    """
    names = _class_names(content, path)
    metric = content.get("metric", content.get("goal"))
    takes, cost = content.get("takes"), _cost(content, "cost", len(names), path)
    if takes not in TAKES:
        raise ValueError(f"{path} must say whether it takes {' or '.join(TAKES)}. Got {takes!r}.")
    missing = [
        name for name, value in (("metric", metric), ("method", content.get("method"))) if type(value) is not str
    ]
    if missing or not isinstance(content.get("evidence"), dict):
        raise ValueError(f"`path` must name a complete fix. Got {path}, without {', '.join(missing) or 'evidence'}.")
    metric_cost = _cost(content, "metric_cost", len(names), path)
    return {
        "offset": numbers(content, "offset", len(names), path),
        "temperature": number_within(content, "temperature", COLDEST, HOTTEST, path),
        "probability_offset": numbers(content, "probability_offset", len(names), path),
        "prior": _prior(content, len(names), path),
        "class_names": names,
        "metric": metric,
        "method": content["method"],
        "evidence": content["evidence"],
        "cost": cost,
        "takes": takes,
        "floor": number_within(content, "floor", SMALLEST, 1.0, path) if "floor" in content else SMALLEST,
        "metric_cost": cost if metric_cost is None else metric_cost,
    }


def _prior(content: dict[str, Any], num_classes: int, path: Path) -> np.ndarray:
    prior = numbers(content, "prior", num_classes, path)
    if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
        raise ValueError(
            f"{path} must hold a prior above 0 that sums to 1. Its lowest value is {prior.min():g}, its sum "
            f"{prior.sum():g}."
        )
    return prior


def _class_names(content: dict[str, Any], path: Path) -> tuple[str, ...]:
    names = content.get("classes")
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path} must hold the names of at least two classes. It does not.")
    name, number = Counter(names).most_common(1)[0]
    if number > 1:
        raise ValueError(f"{path} must hold classes that differ from each other. It holds {name!r} {number} times.")
    return tuple(names)


def _cost(content: dict[str, Any], name: str, num_classes: int, path: Path) -> np.ndarray | None:
    rows = content.get(name)
    if rows is None:
        return None
    if not isinstance(rows, list) or len(rows) != num_classes:
        raise ValueError(f"{path} must hold one finite cost per pair of classes as {name}. It does not.")
    return np.stack([numbers({name: row}, name, num_classes, path) for row in rows])
