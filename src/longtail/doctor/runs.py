"""Findings about a training run: a loss that can't work, a setting without effect, a tail that has collapsed."""

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from longtail.data.counted import counted
from longtail.doctor.findings import Finding
from longtail.losses.catalogue import LOSSES, cosine_scale, paper_settings, parse_arguments, settable_arguments
from longtail.metrics import per_class_recall, predictions_per_class
from longtail.metrics.groups import GroupBounds
from longtail.runs import RunFolder

COLLAPSED, FINE = 0.05, 0.4
STRENGTHS = {
    "gala": (["lambda_positive"], "the margins"),
    "focal": (["gamma"], "the focus"),
    "class-balanced": (["beta", "power"], "the weights"),
    "logit-adjustment": (["tau"], "the margins"),
    "ldam": (["max_margin"], "the margins"),
}
"""For each loss the settings that turn it into cross-entropy if one of them is 0, and what then has no effect."""


def run_findings(folder: RunFolder) -> list[Finding]:
    """The findings about a run, complete or not."""
    config, where = folder.header["config"], str(folder.path)
    found = []
    if folder.result is None:
        done = folder.metrics[-1]["epoch"] if folder.metrics else 0
        again = "the same longtail retrain command and --resume"
        command = again if config.get("stage") == "second-stage" else f"longtail train --resume {shlex.quote(where)}"
        found.append(
            Finding(
                "warning",
                f"not complete: epoch {done} of {config.get('epochs', '?')}",
                where,
                f"Resume it with {command}. The result is written at the end.",
            )
        )
    if config.get("loss") in LOSSES:
        found += _loss_findings(folder, config, where)
    if folder.result is not None:
        found += _result_findings(folder, config, folder.result, where)
    return found


def _loss_findings(folder: RunFolder, config: Mapping[str, Any], where: str) -> list[Finding]:
    loss = str(config["loss"])
    arguments = settable_arguments(loss) | paper_settings(loss) | parse_arguments(config.get("loss_arguments", ()))
    found = []
    strengths, what = STRENGTHS.get(loss, ([], ""))
    found += [
        _without_effect(f"{name} of {loss} is 0: {what} do nothing and the loss is plain cross-entropy", where)
        for name in strengths
        if arguments.get(name) == 0
    ]
    if loss == "gala" and arguments.get("form") == "released" and arguments.get("lambda_negative") is not None:
        found.append(_without_effect('lambda_negative does nothing in the form "released": softmax cancels it', where))
    counts = np.asarray((folder.result or {}).get("class_counts", ()), dtype=np.float64)
    if loss == "eql" and len(counts) and (counts / counts.sum() >= float(arguments["threshold"])).all():
        rarest = counts.min() / counts.sum()
        found.append(
            _without_effect(
                f"threshold {arguments['threshold']:g} of EQL lies below the rarest class ({rarest:.2g})", where
            )
        )
    if folder.result is not None:
        has = "classifier.scale" in folder.load_weights()["model"]
        if has != (cosine_scale(loss, arguments) is not None):
            found.append(
                Finding(
                    "serious",
                    f"{loss} wants a {LOSSES[loss].head} classifier, and has a {'cosine' if has else 'linear'} one",
                    where,
                    "Its margins are of another scale than these logits: train with the classifier it is made for.",
                )
            )
    return found


def _without_effect(what: str, where: str) -> Finding:
    return Finding("serious", what, where, "Set it, or report the run as cross-entropy.")


def _result_findings(
    folder: RunFolder, config: Mapping[str, Any], result: Mapping[str, Any], where: str
) -> list[Finding]:
    found = [
        Finding("warning", note, where, "Its last digits may differ.")
        for note in result.get("notes", ())
        if note.startswith("resumed")
    ]
    if "class_counts" in result:
        found += _prediction_findings(folder, config, np.asarray(result["class_counts"]), where)
        if config.get("validation") == 0 and "validation" not in result:
            found.append(
                Finding(
                    "fact",
                    "nothing was held out: offsets are fitted on augmented training samples",
                    where,
                    "With --validation 0.1, longtail fix has held-out samples.",
                )
            )
    return found


def _prediction_findings(folder: RunFolder, config: Mapping[str, Any], counts: np.ndarray, where: str) -> list[Finding]:
    found = []
    logits, target = folder.load_predictions("test")
    predicted = logits.argmax(1)
    recall = per_class_recall(predicted, target, len(counts)).numpy()
    groups = GroupBounds.of(config).members(counts)
    tail, head = (
        float(np.nanmean(recall[groups[name]])) if np.isfinite(recall[groups[name]]).any() else None
        for name in ("few", "many")
    )
    if tail is not None and head is not None and tail < COLLAPSED and head > FINE:
        found.append(
            Finding(
                "serious",
                f"the tail has collapsed: recall {100 * tail:.1f} % on few, {100 * head:.1f} % on many",
                where,
                "longtail fix shows what re-balancing gives back; GALA or Balanced Softmax train the tail.",
            )
        )
    support = np.bincount(target, minlength=len(counts))
    never = int(((predictions_per_class(predicted, len(counts)).numpy() == 0) & (support > 0)).sum())
    if never:
        found.append(
            Finding(
                "warning",
                f"{counted(never, 'class is', 'classes are')} never predicted on the test set",
                where,
                "See longtail report.",
            )
        )
    return found
