"""The diagnosis of `Predictions`."""

import dataclasses
import inspect
from typing import Any

import numpy as np

from longtail.arguments import check_keywords
from longtail.repair.choice import Limits
from longtail.repair.diagnosis import diagnose
from longtail.repair.findings import Diagnosis
from longtail.repair.predictions import Predictions
from longtail.repair.reading.class_values import in_order_of, read_values
from longtail.repair.reading.costs import read_costs
from longtail.signatures import naming_misspelt


@naming_misspelt
def diagnose_predictions(
    predictions: Predictions, *, prior: Any = "uniform", cost: Any = None, **options: Any
) -> Diagnosis:
    """`diagnose`, with the class names, counts, groups, weights and kind of the predictions.

    Args:
        predictions: from `read_predictions`.
        prior: "uniform"; "train", the class frequencies in training; "here", those in these predictions; values by
            class name, or a file of them.
        cost: (C, C), a mapping of class names to mappings, or a file of either.
        options: other arguments of `diagnose`.

    Returns:
        The diagnosis; `fix.evidence["notes"]` holds all assumptions made in reading.
    """
    check_keywords("diagnose_predictions", options, diagnosis_options())
    names = predictions.class_names or tuple(map(str, range(predictions.logits.shape[1])))
    notes = list(predictions.notes)
    if options.get("metric") == "accuracy" and isinstance(prior, str) and prior == "uniform":
        notes.append(
            "accuracy is that under a uniform class prior, which equals balanced accuracy. --prior here or train takes "
            "the class frequencies of these predictions or of training."
        )
    notes += Limits(options.get("max_accuracy_loss"), options.get("max_class_loss")).notes()
    found = diagnose(
        predictions.logits,
        predictions.target,
        prior=_prior(prior, predictions, names, notes),
        cost=None if cost is None else read_costs(cost, names, notes),
        class_counts=predictions.class_counts,
        class_names=predictions.class_names,
        groups=predictions.groups,
        sample_weight=predictions.sample_weight,
        share=predictions.share,
        bounds=predictions.bounds,
        **options,
    )
    evidence = {**found.fix.evidence, "notes": notes}
    fix = dataclasses.replace(found.fix, takes=predictions.kind, floor=predictions.floor, evidence=evidence)
    return dataclasses.replace(found, fix=fix)


def diagnosis_options() -> list[str]:
    """The arguments of `diagnose` that predictions do not have themselves.

    Example:
        >>> "metric" in diagnosis_options(), "class_names" in diagnosis_options()
        (True, False)
    """
    of_predictions = {field.name for field in dataclasses.fields(Predictions)}
    return [name for name in inspect.signature(diagnose).parameters if name not in of_predictions]


def _prior(given: Any, predictions: Predictions, names: tuple[str, ...], notes: list[str]) -> str | np.ndarray:
    if isinstance(given, str) and given == "uniform":
        return given
    if isinstance(given, str) and given == "here":
        here = np.bincount(predictions.target, minlength=len(names))
        return np.asarray(here / here.sum())
    if isinstance(given, str) and given == "train":
        if predictions.class_counts is None:
            raise ValueError(
                "--prior train needs training counts. Got none: add --counts, or class_counts in the predictions."
            )
        counts = np.asarray(predictions.class_counts, dtype=np.float64)
        return np.asarray(counts / counts.sum())
    return in_order_of("prior", read_values("prior", given, notes), names, notes)
