"""A diagnosis as JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.repair import Diagnosis
from longtail.repair.findings import ByClass, Calibration, Outcome, Scores


def diagnosis_json(found: Diagnosis, warnings: Sequence[str], files: Mapping[str, Path | None]) -> str:
    """All results, and the written files; scores and recalls are in [0, 1], null if undefined."""
    content = {
        "verdict": found.verdict,
        "summary": found.summary,
        "warnings": list(warnings),
        "metric": found.metric,
        "samples": found.samples,
        "class_names": list(found.fix.class_names),
        "before": _scores(found.before),
        "best": found.best,
        "candidates": [_candidate(outcome) for outcome in found.outcomes],
        "interval_level": found.fix.evidence["interval_level"],
        "repeats": found.fix.evidence["repeats"],
        "max_accuracy_loss": found.fix.evidence["max_accuracy_loss"],
        "max_class_loss": found.fix.evidence["max_class_loss"],
        "class_groups": found.groups,
        "classes": [_of_class(found.by_class, label, name) for label, name in enumerate(found.fix.class_names)],
        "calibration": _calibration(found.calibration),
        "fix": {
            "method": found.fix.method,
            "takes": found.fix.takes,
            "temperature": found.fix.temperature,
            "offset": found.fix.offset,
        },
        "files": {name: None if path is None else str(path.absolute()) for name, path in files.items()},
    }
    return to_json(content, indent=1)


def _candidate(outcome: Outcome) -> dict[str, Any]:
    if outcome.scores is None:
        return {"name": outcome.name, "failure": outcome.failure}
    return {
        "name": outcome.name,
        "strength": outcome.strength,
        "gain": outcome.gain,
        "interval": outcome.interval,
        "optimism": outcome.optimism,
        "strengths_that_break_a_limit": outcome.excluded,
        **_scores(outcome.scores),
    }


def _of_class(by_class: ByClass, label: int, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "training_samples": by_class.training[label] if by_class.training_known else None,
        "samples": by_class.samples[label],
        "recall": {"before": by_class.recall[0][label], "best": by_class.recall[1][label]},
        "predicted": {"before": by_class.predicted[0][label], "best": by_class.predicted[1][label]},
    }


def _calibration(found: Calibration) -> dict[str, Any]:
    return {
        "top_label": _change(found.top_label),
        "class_wise": _change(found.class_wise),
        "pooled_classes": found.pooled_classes,
        "samples": found.samples,
        "log_loss": _change(found.log_loss),
        "at_limit": found.at_limit,
        "used": found.helps,
    }


def _scores(scores: Scores) -> dict[str, Any]:
    return {
        "score": scores.score,
        "accuracy": scores.accuracy,
        "class_groups": scores.groups,
        "recall": scores.recall,
    }


def _change(pair: tuple[float, float]) -> dict[str, float]:
    return {"before": pair[0], "after": pair[1]}
