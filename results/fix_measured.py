"""What a diagnosis promises, what a test set says of it, and of what a user would do instead."""

from typing import Any

import numpy as np

from fix_models import Predictions, above_thresholds
from fix_splits import Samples
from longtail.metrics import balanced_accuracy
from longtail.repair import diagnose
from longtail.repair.findings import Diagnosis
from longtail.repair.intervals import standard_error
from longtail.repair.labels import Labels
from longtail.repair.metrics import BalancedAccuracy


def measured(predicted: Predictions, counts: np.ndarray | None, seed: int) -> dict[str, Any]:
    """One row of results.

    Args:
        predicted: nothing is fitted on its test set.
        counts: (C,) training samples; without them, those of the held-out samples take their place.
        seed: of the folds of the diagnosis.
    """
    held_out, test = predicted.held_out, predicted.test
    found = diagnose(held_out.features, held_out.target, class_counts=counts, groups=held_out.groups, seed=seed)
    seen = np.bincount(held_out.target, minlength=held_out.features.shape[1])
    adjusted = test.features - np.log(seen + 0.5 if counts is None else counts)
    return {
        "samples": len(held_out.target),
        "classes": len(seen),
        "rarest": int(seen[seen > 0].min()),
        "test_samples": len(test.target),
        **promised(found, test.target),
        **gained(found, test),
        "by_fold": [gain_of_fold_model(found, test._replace(features=own)) for own in predicted.test_by_fold],
        "others": {
            "logit adjustment": scored(adjusted.argmax(1), test),
            "thresholds": scored(above_thresholds(held_out, test), test),
        },
    }


def promised(found: Diagnosis, truth: np.ndarray) -> dict[str, Any]:
    """From held-out predictions; of the classes that a test set has also alone."""
    best = next(outcome for outcome in found.outcomes if outcome.name == found.best)
    recall = np.stack(found.by_class.recall)[:, np.unique(truth)]
    before, after = np.nanmean(recall, axis=1)
    return {
        "verdict": found.verdict,
        "candidate": best.name,
        "strength": best.strength,
        "promised": best.gain,
        "optimism": best.optimism,
        "interval": list(best.interval),
        "level": found.fix.evidence["interval_level"],
        "held_out_before": found.before.score,
        "cross_fitted": {each.name: each.scores.score if each.scores else None for each in found.outcomes},
        "on_classes_of_test": {"before": float(before), "promised": float(after - before) - best.optimism},
    }


def gained(found: Diagnosis, test: Samples) -> dict[str, Any]:
    """On the test set, by the fix, and by its candidate whatever the verdict; with the standard error of that gain."""
    best = next(outcome for outcome in found.outcomes if outcome.name == found.best)
    before, after = test.features.argmax(1), found.fix.predict(test.features)
    anyway = before if best.offset is None else (test.features + best.offset).argmax(1)
    number = test.features.shape[1]
    error = standard_error(BalancedAccuracy(), Labels.of(test.target, number, groups=test.groups), before, anyway)
    return {
        "before": scored(before, test),
        "after": scored(after, test),
        "anyway": scored(anyway, test),
        "gain_error": error,
    }


def gain_of_fold_model(found: Diagnosis, test: Samples) -> dict[str, float]:
    """Balanced accuracy of a model that the diagnosis saw, before and after the fix."""
    decided = {"before": test.features.argmax(1), "after": found.fix.predict(test.features)}
    return {when: scored(own, test)["balanced_accuracy"] for when, own in decided.items()}


def scored(decided: np.ndarray, test: Samples) -> dict[str, float]:
    return {
        "balanced_accuracy": float(balanced_accuracy(decided, test.target, test.features.shape[1])),
        "accuracy": float((decided == test.target).mean()),
    }
